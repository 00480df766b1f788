"""Where `artac-claude` starts: what its arguments ask for decides what becomes of it.

A program waits, so nothing is imported here that not every way needs.
"""

import posix
import sys

from ...claude.invocation import Invocation

_INTERRUPTED = 130


def main() -> int:
    """Be `claude` for the program that has started this; the exit code is Claude's."""
    words = sys.argv[1:]
    try:
        asked = Invocation(words)
        if asked.direct:
            from .direct import run_claude

            run_claude(words)
        if not asked.prints and posix.isatty(0) and posix.isatty(1):
            return _terminal(words, asked)
        from .hosting import host

        return host(words, asked)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except Exception as error:  # noqa: BLE001 - a program gets a line, never a traceback
        from .telling import failed

        return failed(error)


def _terminal(words: list[str], asked: Invocation) -> int:
    """Claude's own screen, as `artac run -t` shows it."""
    from ..main import main as artac

    rest, options = _taken(words, asked)
    name = posix.environ.get(b"ARTAC_SESSION_NAME", b"").decode("utf-8", "replace")
    return artac(["run", "-t", *(["--name", name] if name else []), *options, "--", *rest])


def _taken(words: list[str], asked: Invocation) -> tuple[list[str], list[str]]:
    """The words without those that `artac run` has options for, and these."""
    options = []
    for name in ("--model", "--permission-mode"):
        if name in asked.options:
            options += [name, asked.options[name]]
            words = without(words, name)
    return words, options


def without(words: list[str], name: str) -> list[str]:
    """The words without an option that has a value."""
    kept: list[str] = []
    at = 0
    while at < len(words):
        if words[at] == "--":
            return kept + words[at:]
        if words[at] == name:
            at += 2
            continue
        if not words[at].startswith(f"{name}="):
            kept.append(words[at])
        at += 1
    return kept
