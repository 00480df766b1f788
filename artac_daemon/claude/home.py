"""Where Claude Code keeps what it knows, in a session's environment, and reading it."""

from __future__ import annotations

import json
import os
import pwd
import stat
from collections.abc import Iterator, Mapping
from typing import Any

from .first_run import Home, Place

LARGEST = 64 << 20
"""Bytes: .claude.json holds a history of projects and grows, but not to this."""

_MANAGED = "/etc/claude-code/managed-settings.json"


class Unusable(ValueError):
    """A file that Claude would not read, or that is none. The text says why, on one line."""


def seen_from(environ: Mapping[str, str], cwd: str) -> dict[str, str]:
    """The environment with the paths in it as a Claude with that working directory takes them."""
    seen = dict(environ)
    if seen.get("CLAUDE_CONFIG_DIR"):
        seen["CLAUDE_CONFIG_DIR"] = os.path.join(cwd, seen["CLAUDE_CONFIG_DIR"])
    return seen


class NotAnObject(Unusable):
    """Valid JSON, but no object: Claude takes it as if nothing were there."""


def directory(environ: Mapping[str, str]) -> str:
    """The home that Claude has in that environment; "" where the account has none."""
    if environ.get("HOME", "").startswith("/"):
        return os.path.normpath(environ["HOME"])
    try:
        return pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:
        return ""


def path(environ: Mapping[str, str]) -> str:
    """Its .claude.json: in the home, or where CLAUDE_CONFIG_DIR says; "" where there is no home."""
    configured = environ.get("CLAUDE_CONFIG_DIR", "")
    base = configured or directory(environ)
    if not base:
        return ""
    # An old Claude's name for it, which still counts where it is.
    old = os.path.join(settings_directory(environ), ".config.json")
    if os.path.isfile(old) and os.path.getsize(old):
        return old
    own_login = "-custom-oauth" if environ.get("CLAUDE_CODE_CUSTOM_OAUTH_URL") else ""
    return os.path.join(base, f".claude{own_login}.json")


def settings_directory(environ: Mapping[str, str]) -> str:
    """Where Claude's settings and its list of sessions are."""
    return environ.get("CLAUDE_CONFIG_DIR") or os.path.join(directory(environ), ".claude")


def load(file: str) -> dict[str, Any]:
    """The JSON object in a file, as Claude would read it; FileNotFoundError, Unusable."""
    try:
        fd = _open(file)
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(file) from None
    except OSError as error:
        raise Unusable(f"{file} cannot be read: {error.strerror}") from None
    with os.fdopen(fd, "rb") as stream:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise Unusable(f"{file} is not a regular file")
        data = stream.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise Unusable(f"{file} is larger than {LARGEST >> 20} MiB")
    return parse(data, file)


def _open(file: str) -> int:
    # Opening a FIFO would otherwise wait until somebody wrote to it.
    return os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)


def parse(data: bytes, file: str) -> dict[str, Any]:
    """The JSON object in those bytes of a file; Unusable."""
    try:
        text = data.decode("utf-8-sig").strip(" \t\r\n\0")
        content = json.loads(text, parse_constant=_refuse) if text else {}
    except UnicodeDecodeError:
        raise Unusable(f"{file} is not UTF-8 text") from None
    except (ValueError, RecursionError) as error:
        raise Unusable(f"{file} is not valid JSON ({error})") from None
    if not isinstance(content, dict):
        raise NotAnObject(f"{file} holds no JSON object")
    return content


def _refuse(word: str) -> None:
    # Python reads NaN and Infinity, JSON has none.
    raise ValueError(f"{word} is no JSON")


def read(environ: Mapping[str, str], cwd: str = "") -> Home:
    """What Claude finds there, with the project's settings where a directory is given."""
    file = path(environ)
    configuration: dict[str, Any] = {}
    damage = ""
    try:
        configuration = load(file) if file else {}
    except (FileNotFoundError, NotAnObject):
        pass
    except Unusable as problem:
        damage = str(problem)
    settings, broken = {}, []
    for name in _settings_files(environ, cwd):
        try:
            settings[name] = load(name)
        except FileNotFoundError:
            continue
        except Unusable:
            broken.append(name)
    return Home(
        file, os.path.realpath(directory(environ)), configuration, damage, settings, tuple(broken)
    )


def _settings_files(environ: Mapping[str, str], cwd: str) -> Iterator[str]:
    """Lowest first."""
    yield os.path.join(settings_directory(environ), "settings.json")
    if cwd:
        yield os.path.join(cwd, ".claude", "settings.json")
        yield os.path.join(cwd, ".claude", "settings.local.json")
    yield _MANAGED


def place(cwd: str) -> Place:
    """What decides about a working directory, whose symbolic links are resolved."""
    repository = origin = ""
    servers: dict[str, None] = {}
    current = cwd
    while True:
        git = os.path.join(current, ".git")
        if not repository and os.path.lexists(git):
            repository, origin = current, _origin(git)
        try:
            found = load(os.path.join(current, ".mcp.json")).get("mcpServers")
        except (FileNotFoundError, Unusable):
            found = None
        if isinstance(found, dict):
            servers.update(dict.fromkeys(map(str, found)))
        above = os.path.dirname(current)
        if above == current:
            return Place(cwd, repository, origin, tuple(servers))
        current = above


def _origin(git: str) -> str:
    """The root of the repository that a worktree belongs to; "" for what is no worktree."""
    if not os.path.isfile(git):  # a directory, as a rule
        return ""
    try:
        with os.fdopen(_open(git), "rb") as stream:
            text = (stream.read(4096) or b"").decode(errors="surrogateescape")
    except OSError:
        return ""
    word, _, target = text.strip().partition("gitdir: ")
    root, found, _ = os.path.normpath(os.path.join(os.path.dirname(git), target)).partition(
        "/.git/worktrees/"
    )
    return root if found and not word else ""
