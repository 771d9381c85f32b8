"""The command line: one module a command. What it shows it reads from `records/`, `storage/` and `config/`; what it changes in a
running gate it asks for through the control socket.

Errors are sentences with a remedy on standard error, never tracebacks: exit 2 where the caller has to change something, else 1. What
a program may want to read (keys, `--json`) goes to standard output, everything said to people beside it does not mix with it.
"""
