"""Where a client looks for the daemon.

Strings only: pathlib would cost every command 4 ms. An attach is in more of a hurry still, so this
imports nothing that the interpreter does not have, not even a package to be in, and asks who we are
only when it has to.
"""

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SOCKET_NAME = "artac.sock"


def client_sockets(environ: "Mapping[str, str]", user: str = "") -> "Iterator[str]":
    """The sockets a client tries, in order: the user's own service, then the system's.

    `user` is its account's name, which is looked up where it is not given.
    """
    if asked := environ.get("ARTAC_SOCKET"):
        yield asked
        return
    runtime = _base(environ, "XDG_RUNTIME_DIR") or f"/run/user/{posix.getuid()}"
    yield f"{runtime}/artac/{SOCKET_NAME}"
    state = _base(environ, "XDG_STATE_HOME")
    # Without a home directory no daemon can have used a place in it.
    if state or (home := _base(environ, "HOME") or _account()[1]):
        yield f"{state or f'{home}/.local/state'}/artac/{SOCKET_NAME}"
    yield f"/run/artac@{user or _account()[0]}/{SOCKET_NAME}"
    yield f"/run/artac/{SOCKET_NAME}"


def _account() -> tuple[str, str]:
    """The name and the home directory of the account that this process runs as."""
    import pwd

    uid = posix.getuid()
    try:
        found = pwd.getpwuid(uid)
    except KeyError:
        return str(uid), ""
    return found.pw_name, found.pw_dir


def _base(environ: "Mapping[str, str]", name: str) -> str:
    text = environ.get(name, "")
    return text if text.startswith("/") else ""
