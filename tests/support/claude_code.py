"""The real Claude Code CLI for tests and demos; `python3 -m` this prints its path."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support import cache
from tests.support.nspawn import Bind

VERSION = "2.1.330"
PACKAGE = "@anthropic-ai/claude-code"

INSIDE = "/opt/claude-code/claude"
"""Where container machines have it; /usr/local/bin/claude is a link to it."""


class Unavailable(RuntimeError):
    pass


def executable() -> Path:
    """`claude` from PATH, else the pinned one, installed into the cache on first use."""
    found = shutil.which("claude")
    return Path(found) if found else pinned()


def pinned() -> Path:
    if shutil.which("npm") is None:
        raise Unavailable(f"neither claude nor npm is installed; npm would install {PACKAGE}")
    place = cache.build_once(f"claude-code-{VERSION}", _install)
    return _native(place)


def bind() -> Bind:
    """What a container machine needs to have it: a native binary, not a script."""
    found = executable().resolve()
    with found.open("rb") as binary:
        native = binary.read(4) == b"\x7fELF"
    return (found if native else pinned(), INSIDE, True)


def _install(place: Path) -> None:
    print(f"installing {PACKAGE}@{VERSION}, once …", file=sys.stderr, flush=True)
    command = ["npm", "install", "--no-fund", "--no-audit", "--loglevel=error", "--prefix"]
    installed = subprocess.run(
        [*command, str(place), f"{PACKAGE}@{VERSION}"],
        cwd=place,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if installed.returncode != 0:
        raise Unavailable(f"npm could not install {PACKAGE}@{VERSION}:\n{installed.stdout}")
    binary = _native(place)
    answer = subprocess.run([binary, "--version"], capture_output=True, text=True)
    if VERSION not in answer.stdout:
        raise Unavailable(f"{binary} --version: {answer.stdout}{answer.stderr}")


def _native(place: Path) -> Path:
    # The package's own bin/ is filled by an install script, which npm may not run.
    for candidate in place.glob(f"node_modules/{PACKAGE}-linux-*/claude"):
        if os.access(candidate, os.X_OK):
            return candidate
    raise Unavailable(f"{PACKAGE}@{VERSION} has no native binary for this machine")


if __name__ == "__main__":
    try:
        print(executable())
    except Unavailable as reason:
        sys.exit(str(reason))
