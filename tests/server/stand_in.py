"""A child for the supervisor's tests: says `ready`, answers, and ends, in the way that the variable STAND_IN names."""

import json
import os
import signal
import socket
import sys

WAY = os.environ.get("STAND_IN", "")


def main() -> int:
    pair = socket.socket(fileno=int(sys.argv[1]))
    if WAY == "fails":
        return 3
    pair.sendall(b'{"event": "ready"}\n')
    for line in pair.makefile("rb"):
        message = json.loads(line)
        if message["do"] == "drain":
            if WAY == "stays":
                signal.pause()
            return 0
        if message["do"] == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if WAY != "deaf":
            told = {"id": message["id"], "pid": os.getpid(), "fds": sys.argv[2:], "names": sorted(os.environ)}
            pair.sendall(json.dumps(told).encode() + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
