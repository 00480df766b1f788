"""Where a client looks for the daemon. Strings only: pathlib would cost every command 4 ms."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping

SOCKET_NAME = "artac.sock"


def client_sockets(environ: Mapping[str, str], user: str) -> list[str]:
    """The sockets a client of `user` tries, in order: the user's own service, then the system's."""
    if asked := environ.get("ARTAC_SOCKET"):
        return [asked]
    runtime = _base(environ, "XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    places = [f"{runtime}/artac"]
    try:
        home = _base(environ, "HOME") or pwd.getpwuid(os.getuid()).pw_dir
        state = _base(environ, "XDG_STATE_HOME") or f"{home}/.local/state"
        places.append(f"{state}/artac")
    except KeyError:
        pass  # Without a home directory no daemon can have used that place.
    return [f"{place}/{SOCKET_NAME}" for place in (*places, f"/run/artac@{user}", "/run/artac")]


def _base(environ: Mapping[str, str], name: str) -> str:
    text = environ.get(name, "")
    return text if text.startswith("/") else ""
