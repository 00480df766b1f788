"""The real Claude Agent SDKs, each installed into the cache once, in a pinned version."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.support import cache

PYTHON = "claude-agent-sdk==0.2.187"
NPM = ("@anthropic-ai/claude-agent-sdk@0.3.330", "zod@4.1.12")


class Unavailable(RuntimeError):
    pass


def python() -> Path:
    """A Python that has the SDK."""
    place = cache.build_once(f"sdk-python-{cache.key(sys.version, PYTHON)}", _make_venv)
    return place / "bin/python"


def node() -> tuple[str, Path]:
    """Node, and a folder whose `node_modules` has the SDK: programs are to lie below it."""
    program = shutil.which("node")
    if program is None or shutil.which("npm") is None:
        raise Unavailable("node and npm are not installed; npm would install the TypeScript SDK")
    return program, cache.build_once(f"sdk-npm-{cache.key(*NPM)}", _install_packages)


def _make_venv(place: Path) -> None:
    print(f"installing {PYTHON}, once …", file=sys.stderr, flush=True)
    _run([sys.executable, "-m", "venv", str(place)])
    _run([str(place / "bin/python"), "-m", "pip", "install", "--quiet", PYTHON])
    # The wheel brings a whole Claude Code, which none of the tests uses.
    for bundled in place.glob("lib/python3*/site-packages/claude_agent_sdk/_bundled"):
        shutil.rmtree(bundled)


def _install_packages(place: Path) -> None:
    print(f"installing {NPM[0]}, once …", file=sys.stderr, flush=True)
    # Among what is optional is a whole Claude Code.
    command = ["npm", "install", "--no-fund", "--no-audit", "--loglevel=error", "--omit=optional"]
    _run([*command, "--prefix", str(place), *NPM], cwd=place)


def _run(command: list[str], cwd: Path | None = None) -> None:
    done = subprocess.run(
        command,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode != 0:
        raise Unavailable(f"{' '.join(command)}:\n{done.stdout}")
