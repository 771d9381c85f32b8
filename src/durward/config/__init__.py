"""What the operator wrote: the file's schema, loading, every mistake at once, and the compiled settings the gate runs on.

YAML and validation run in short-lived processes; a running gate imports only `settings`. What settings mean belongs to the stage
that uses them.
"""
