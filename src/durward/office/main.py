"""The office process: `python -m durward.office.main PAIR SETTINGS`, both descriptors. It opens no listener yet."""

import sys
import socket

def main() -> int:
    pair = socket.socket(fileno=int(sys.argv[1]))
    pair.sendall(b'{"event": "ready"}\n')
    while True:
        got = pair.recv(4096)
        if not got or b"drain" in got:
            return 0

if __name__ == "__main__":
    sys.exit(main())
