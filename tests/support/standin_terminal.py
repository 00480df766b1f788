"""The stand-in without -p: a tiny line editor on its terminal."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import sys
import termios
import time
from itertools import count
from types import FrameType

from standin_telling import Telling

PROMPT = "> "


def run(first: str, telling: Telling) -> int:
    if not os.isatty(0):
        print("Error: no terminal, and no -p", file=sys.stderr)
        return 1
    saved = termios.tcgetattr(0)
    raw = termios.tcgetattr(0)
    raw[1] &= ~termios.OPOST
    raw[3] &= ~(termios.ICANON | termios.ECHO | termios.ISIG)
    termios.tcsetattr(0, termios.TCSANOW, raw)

    def leave(code: int) -> None:
        telling.left()
        _write("\x1b[?2004l\r\n")
        termios.tcsetattr(0, termios.TCSANOW, saved)
        os._exit(code)

    def ended(number: int, _: FrameType | None) -> None:
        leave(0 if number == signal.SIGINT else 128 + number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, ended)
    signal.signal(signal.SIGWINCH, lambda *_: _report_size())
    _write(f"\x1b[?2004hstand-in for claude (no model)\r\n{PROMPT}")
    telling.started()
    waiting = [first] if first else []
    line = ""
    interrupts = 0
    while True:
        queued = False
        while waiting:
            _turn(waiting, telling, queued)
            queued = True
        key = _key()
        interrupts = interrupts + 1 if key == b"\x03" else 0
        if not key or (key == b"\x04" and not line) or interrupts == 2:
            leave(0 if key else 129)
        elif key == b"\x03" or key == b"\x15":
            line = ""
            _write(f"\r\x1b[K{PROMPT}")
        elif key in (b"\r", b"\n"):
            _write("\r\n")
            if line == "/exit":
                leave(0)
            waiting.append(line)
            line = ""
        elif key in (b"\x7f", b"\x08"):
            if line:
                line = line[:-1]
                _write("\b \b")
        elif key >= b" ":
            while key[0] >= 0x80 and not _whole(key):
                key += os.read(0, 1)
            text = key.decode(errors="replace")
            line += text
            _write(text)


def _whole(key: bytes) -> bool:
    size = 4 if key[0] >= 0xF0 else 3 if key[0] >= 0xE0 else 2
    return len(key) >= size


def _key() -> bytes:
    try:
        return os.read(0, 1)
    except OSError:
        return b""


def _turn(waiting: list[str], telling: Telling, queued: bool) -> None:
    """The first of the lines that wait; more come while a slow one is answered."""
    line = waiting.pop(0)
    if not line:
        _write(PROMPT)
        return
    telling.submitted(line, queued)
    word, _, rest = line.partition(" ")
    if word == "!permission" and not _permitted(rest, telling):
        _write(f"Interrupted\r\n{PROMPT}")
        telling.status("idle")
        return
    if word == "!slow" and not _slow(float(rest), waiting):
        _write(f"Interrupted\r\n{PROMPT}")
        telling.status("idle")
        return
    _answer(line)
    telling.answered()


def _permitted(command: str, telling: Telling) -> bool:
    """Asks, and runs it when 1 is pressed; 3 and Esc refuse and end the turn."""
    telling.hook("PermissionRequest", tool_name="Bash", tool_input={"command": command})
    telling.status("waiting", "permission prompt")
    _write("Do you want to proceed? 1. Yes 3. No\r\n")
    while (key := _key()) not in (b"1", b"3", b"\x1b", b""):
        continue
    if key != b"1":
        return False
    telling.status("busy")
    code = os.system(command) if command else 0
    telling.hook("PostToolUseFailure" if code else "PostToolUse", tool_name="Bash")
    return True


def _slow(seconds: float, waiting: list[str]) -> bool:
    """Whether it was left to come to its end: not interrupted by Esc."""
    deadline = time.monotonic() + seconds
    line = b""
    while (rest := deadline - time.monotonic()) > 0:
        if not select.select([0], [], [], rest)[0]:
            break
        key = _key()
        if key in (b"\x1b", b""):
            return False
        if key in (b"\r", b"\n"):
            waiting.append(line.decode(errors="replace"))
            line = b""
        else:
            line += key
    return True


def _answer(line: str) -> None:
    word, _, rest = line.partition(" ")
    if word == "!exit":
        os._exit(int(rest))
    if word == "!signal":
        os.kill(os.getpid(), int(rest))
    if word == "!ignore-term":
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
    if word == "!flood":
        _flood(int(rest))
    if word == "!env":
        line = f"{rest}={os.environ.get(rest, '(unset)')}"
    if word == "!nohup":
        os.posix_spawn("/bin/sh", ["sh", "-c", f"nohup {rest} >/dev/null 2>&1 &"], os.environ)
    _write(f"you said: {line}\r\n{PROMPT}")


def _flood(size: int) -> None:
    # No two rows are the same: one that is lost is not made up for by another that comes twice.
    for first in count(0, 64):
        piece = "".join(f"{row:078d}\r\n" for row in range(first, first + 64))[:size]
        _write(piece)
        size -= len(piece)
        if not size:
            return


def _report_size() -> None:
    rows, columns, _, _ = struct.unpack("HHHH", fcntl.ioctl(0, termios.TIOCGWINSZ, b"\0" * 8))
    _write(f"\r\x1b[Ksize: {columns}x{rows}\r\n{PROMPT}")


def _write(text: str) -> None:
    data = memoryview(text.encode())
    while data:
        data = data[os.write(1, data) :]
