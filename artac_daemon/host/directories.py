"""Where configuration, state and the API's socket are."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from pathlib import Path

from ..client_sockets import SOCKET_NAME
from ..model.errors import ArtacError, ErrorKind
from ..model.settings import Settings

# sockaddr_un holds 108 bytes, the last of them NUL.
_LONGEST_SOCKET_PATH = 107


def _first(environ: Mapping[str, str], name: str) -> Path | None:
    """The first directory that systemd names in `name`; it separates several by colons."""
    first = environ.get(name, "").partition(":")[0]
    return Path(first) if first else None


def _base(environ: Mapping[str, str], name: str) -> Path | None:
    """An XDG base directory; a relative one is ignored, as its specification asks."""
    text = environ.get(name, "")
    return Path(text) if text.startswith("/") else None


def _home(environ: Mapping[str, str]) -> Path:
    home = _base(environ, "HOME")
    if home is not None:
        return home
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        raise ArtacError(
            ErrorKind.CONFIG, f"no home directory: HOME is not set and uid {os.getuid()} is unknown"
        ) from None


def _user_state(environ: Mapping[str, str]) -> Path:
    return (_base(environ, "XDG_STATE_HOME") or _home(environ) / ".local/state") / "artac"


def config_directory(environ: Mapping[str, str]) -> Path:
    """The directory of artac.yaml when none was asked for; it need not exist."""
    return _first(environ, "CONFIGURATION_DIRECTORY") or (
        (_base(environ, "XDG_CONFIG_HOME") or _home(environ) / ".config") / "artac"
    )


def state_directory(settings: Settings, environ: Mapping[str, str]) -> Path:
    """The directory that holds the sessions; it need not exist."""
    if settings.state_directory:
        return Path(settings.state_directory)
    return _first(environ, "STATE_DIRECTORY") or _user_state(environ)


def socket_path(settings: Settings, environ: Mapping[str, str]) -> Path:
    """The API's socket; it need not exist. Raises ArtacError(CONFIG) for one too long to bind."""
    if settings.socket:
        path = Path(settings.socket)
    elif directory := _first(environ, "RUNTIME_DIRECTORY"):
        path = directory / SOCKET_NAME
    elif runtime := _base(environ, "XDG_RUNTIME_DIR"):
        path = runtime / "artac" / SOCKET_NAME
    else:
        path = state_directory(settings, environ) / SOCKET_NAME
    if len(os.fsencode(path)) > _LONGEST_SOCKET_PATH:
        problem = f"socket: {str(path)!r} is longer than {_LONGEST_SOCKET_PATH} bytes"
        raise ArtacError(ErrorKind.CONFIG, problem)
    return path
