"""The stand-in without -p and with STANDIN_BOX=1: an input box as the real one draws it.

It takes bracketed pastes, a dialog hides the box and takes 1, 3, Enter (which is 1) and Esc, and
what is submitted during a turn is queued, in the transcript too. STANDIN_SWALLOWS=N: so many of the
first Enters are not taken. STANDIN_VERSION=2.1.197: a queued prompt is told with its turn.
"""

from __future__ import annotations

import json
import os
import re
import select
import signal
import sys
import termios
import time

from standin_telling import Telling

_KEY = re.compile(
    rb"\x1b\[200~(.*?)\x1b\[201~|\x1b\[200~|[\x00-\x7f]|[\xc0-\xff][\x80-\xbf]*", re.DOTALL
)


class Box:
    def __init__(self, telling: Telling) -> None:
        self.telling = telling
        self.text = ""
        self.lines = ["stand-in for claude (no model)"]
        self.waiting: list[str] = []
        self.asks = ""
        self.ends_at: float | None = None  # the turn under way
        self.swallows = int(os.environ.get("STANDIN_SWALLOWS", "0"))
        self.older = os.environ.get("STANDIN_VERSION") == "2.1.197"

    def draw(self) -> None:
        rule = "─" * 70
        if self.asks:
            bottom = ["Do you want to proceed?", f" {self.asks}", " ❯ 1. Yes", "   3. No"]
            place = ""
        else:
            rows = ("❯\xa0" + self.text.replace("\n", "\n  ")).split("\n")
            bottom = [rule, *rows, rule, "  ? for shortcuts"]
            place = f"\x1b[2A\x1b[{len(rows[-1]) + 1}G"
        self.write("\x1b[H\x1b[J" + "\r\n".join([*self.lines[-5:], *bottom]) + place)

    def write(self, text: str) -> None:
        os.write(1, text.encode())

    def run(self) -> int:
        pending = b""
        self.telling.started()
        self.draw()
        while True:
            rest = None if self.ends_at is None else max(0.0, self.ends_at - time.monotonic())
            if not select.select([0], [], [], rest)[0]:
                self.end_turn()
                continue
            pending += os.read(0, 65536)
            while (key := _KEY.match(pending)) and key[0] != b"\x1b[200~":
                pending = pending[key.end() :]
                self.take(key)
            self.draw()

    def take(self, key: re.Match[bytes]) -> None:
        if self.asks:
            if key[0] in (b"1", b"\r", b"3", b"\x1b"):
                self.answer(key[0] in (b"1", b"\r"))
        elif key[1] is not None:
            self.text += key[1].decode()
        elif key[0] == b"\r":
            self.enter()
        elif key[0] == b"\x15":
            self.text = ""
        elif key[0] >= b" ":
            self.text += key[0].decode()

    def enter(self) -> None:
        prompt = self.text.strip()
        if self.swallows > 0 or not prompt:
            self.swallows -= 1
            return
        self.text = ""
        if self.ends_at is None:
            self.begin(prompt, told=False)
            return
        self.waiting.append(prompt)
        os.makedirs(os.path.dirname(self.telling.transcript), exist_ok=True)
        note = {"type": "queue-operation", "operation": "enqueue", "content": prompt}
        with open(self.telling.transcript, "a", encoding="utf-8") as file:
            file.write(json.dumps(note) + "\n")
        if not self.older:
            self.telling.hook("UserPromptSubmit", prompt=prompt)

    def begin(self, prompt: str, told: bool) -> None:
        if not told:
            self.telling.submitted(prompt, queued=False)
        else:
            self.telling.status("busy")
        word, _, rest = prompt.partition(" ")
        self.ends_at = time.monotonic() + (float(rest) if word == "slow" else 0.2)
        self.lines.append(f"> {prompt.splitlines()[0]}")
        # There from the first prompt on, as the real one's.
        os.makedirs(os.path.dirname(self.telling.transcript), exist_ok=True)
        with open(self.telling.transcript, "a", encoding="utf-8"):
            pass
        if word == "permission":
            self.asks, self.ends_at = rest, None
            self.telling.hook("PermissionRequest", tool_name="Bash")
            self.telling.status("waiting", "permission prompt")

    def answer(self, yes: bool) -> None:
        self.lines.append("answered: yes" if yes else "answered: no")
        self.asks = ""
        self.telling.status("idle")

    def end_turn(self) -> None:
        self.ends_at = None
        self.lines.append("done")
        self.telling.answered()
        if self.waiting:
            self.begin(self.waiting.pop(0), told=not self.older)
        self.draw()


def run(telling: Telling) -> int:
    raw = termios.tcgetattr(0)
    raw[1] &= ~termios.OPOST
    raw[0] &= ~termios.ICRNL
    raw[3] &= ~(termios.ICANON | termios.ECHO | termios.ISIG)
    termios.tcsetattr(0, termios.TCSANOW, raw)

    def leave(number: int, _: object) -> None:
        telling.left()
        os._exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)
    os.write(1, b"\x1b[?2004h")
    try:
        return Box(telling).run()
    except OSError:
        sys.exit(129)
