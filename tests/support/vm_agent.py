"""Runs in a virtual machine as root: does what tests ask for over its second serial line.

Each request has an id and a thread of its own, so a slow command holds up no other.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import termios
import threading
import tty
from pathlib import Path

from tests.support.vm_frames import Frames, Message, content, text

_OOM_SCORE = Path("/proc/self/oom_score_adj")


def _as_any_command() -> None:
    # The agent is to outlive an out-of-memory machine; what it starts is to be like any other.
    _OOM_SCORE.write_text("0")


def _run(request: Message) -> Message:
    given = request["input"]
    try:
        process = subprocess.Popen(
            request["argv"],
            env=request["env"],
            cwd="/",
            stdin=subprocess.DEVNULL if given is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0,
            preexec_fn=_as_any_command,
        )
    except OSError as problem:
        return {"code": 127, "out": "", "err": str(problem)}
    try:
        out, err = process.communicate(
            None if given is None else content(given), request["timeout"]
        )
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        # Not read to their end: what it left behind may have the other ends.
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
        return {"late": True}
    return {"code": process.returncode, "out": text(out), "err": text(err)}


def _read(request: Message) -> Message:
    try:
        return {"content": text(Path(request["path"]).read_bytes())}
    except OSError as problem:
        return {"errno": problem.errno}


def _answer(frames: Frames, request: Message) -> None:
    answer = _run(request) if "argv" in request else _read(request)
    frames.send({"id": request["id"], **answer})


def main() -> None:
    line = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    tty.setraw(line)
    attributes = termios.tcgetattr(line)
    # Only what the emulated line derives from it is faster: how long it waits for more bytes.
    attributes[4] = attributes[5] = termios.B115200
    termios.tcsetattr(line, termios.TCSANOW, attributes)
    frames = Frames(line, paced=False, acknowledging=True)
    frames.send({"id": 0})
    while True:
        request = frames.receive()
        threading.Thread(target=_answer, args=(frames, request), daemon=True).start()


if __name__ == "__main__":
    main()
