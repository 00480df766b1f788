"""A program that spawns `artac-claude`; run in machines, by any Python, as a script.

dropin_program.py die TEXT MARK     says TEXT, and is killed once MARK is in the output
dropin_program.py listen MARK       prints the output up to MARK, then closes the input
"""

import json
import os
import signal
import subprocess
import sys

LINES = ("-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose")


def main(what: str, *words: str) -> None:
    command = ["artac-claude", *LINES, "--allowed-tools", "Bash"]
    claude = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert claude.stdin and claude.stdout
    if what == "die":
        message = {"type": "user", "message": {"role": "user", "content": words[0]}}
        claude.stdin.write(json.dumps(message).encode() + b"\n")
        claude.stdin.flush()
    mark = words[-1].encode()
    for line in claude.stdout:
        if what == "listen":
            sys.stdout.write(line.decode())
        if mark in line:
            break
    if what == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    claude.stdin.close()
    sys.exit(claude.wait())


main(*sys.argv[1:])
