"""How the demonstration speaks: what it does, the command a user would type, what that printed."""

from __future__ import annotations

import sys


def say(text: str) -> None:
    """A remark of the demonstration itself."""
    print(f"\n# {text}" if text and not text.startswith("\n") else text, flush=True)


def show(prompt: str, command: str, output: str) -> None:
    """A command and what it printed."""
    print(f"{prompt} {command}")
    for line in output.rstrip("\n").splitlines():
        print(f"  {line}")
    sys.stdout.flush()
