"""`artac-claude` as programs find it, and the real Claude Code at the loopback API."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.support import cache, claude_code
from tests.support.backend import Backend
from tests.support.loopback_api import LoopbackApi

LINES = ("-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose")


def real(api: LoopbackApi) -> dict[str, str]:
    """A backend's settings, and a program's environment, with the real Claude Code."""
    return {
        "CLAUDE_CODE_PATH": str(claude_code.pinned()),
        "IS_SANDBOX": "1",
        "ANTHROPIC_BASE_URL": api.url,
        "ANTHROPIC_API_KEY": "sk-ant-none-of-anybody",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
    }


def launcher(backend: Backend) -> Path:
    """`artac-claude`, which an installation would have in PATH."""
    path = backend.root / "artac-claude"
    code = (
        f"import sys; sys.path.insert(0, {str(cache.PROJECT)!r}); "
        "from artac_daemon.cli.dropin.entry import main; sys.exit(main())"
    )
    if not path.exists():
        path.write_text(
            f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -IS -c {shlex.quote(code)} "$@"\n'
        )
        path.chmod(0o755)
    return path


def run(
    backend: Backend, *words: str, given: bytes | None = None, **env: str
) -> subprocess.CompletedProcess[bytes]:
    """One call of it, with that on its standard input."""
    return subprocess.run(
        [str(launcher(backend)), *words],
        env={**backend.environment(), **env},
        cwd=backend.work,
        input=given if given is not None else b"",
        capture_output=True,
        timeout=60,
    )


class Program:
    """A program with artac-claude as its child: pipes to it, and lines from it."""

    def __init__(self, backend: Backend, words: Sequence[str] = LINES, **env: str) -> None:
        self.process = subprocess.Popen(
            [str(launcher(backend)), *words],
            env={**backend.environment(), **env},
            cwd=backend.work,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self.process.stdin and self.process.stdout and self.process.stderr
        self.stdin, self.stdout, self.stderr = (
            self.process.stdin,
            self.process.stdout,
            self.process.stderr,
        )

    def say(self, line: bytes) -> None:
        self.stdin.write(line + b"\n")
        self.stdin.flush()

    def ask(self, text: str) -> None:
        words = f'"content":"{text}"'
        self.say(b'{"type":"user","message":{"role":"user",%s}}' % words.encode())

    def until(self, mark: bytes) -> list[bytes]:
        """Lines up to and with one that has that in it."""
        lines: list[bytes] = []
        while True:
            line = self.stdout.readline()
            assert line, f"no {mark!r} in {lines}: {self.stderr.read()!r}"
            lines.append(line)
            if mark in line:
                return lines

    def end(self) -> tuple[int, bytes, bytes]:
        """Close its input; its exit code, and what it still said."""
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err

    def die(self) -> None:
        """As the kernel closes the pipes of a program that is killed."""
        for end in (self.stdin, self.stdout, self.stderr):
            os.close(os.dup(end.fileno()))
            end.close()
        self.process.wait(timeout=60)
