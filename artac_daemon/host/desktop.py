"""The desktop of this account, over its session bus (org.freedesktop.Notifications)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from ..model.notify_kinds import Desktop

_SERVICE = "org.freedesktop.Notifications"


def bus(environ: Mapping[str, str], wanted: Desktop) -> str:
    """The address of the session bus to be used; "" where no desktop is to be told.

    A user manager has the address in its environment. A service of the machine has not, though
    its account may have a bus: there it has to be asked for.
    """
    if wanted is Desktop.FALSE:
        return ""
    if address := environ.get("DBUS_SESSION_BUS_ADDRESS"):
        return address
    if wanted is Desktop.AUTO:
        return ""
    runtime = environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    path = Path(runtime, "bus")
    return f"unix:path={path}" if path.exists() else ""


def command(summary: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    """What shows that line; () where this machine has nothing to do it with.

    The line is in a command line, where other users can see it for a moment.
    """
    path = environ.get("PATH")
    if busctl := shutil.which("busctl", path=path):
        call = (_SERVICE, "/org/freedesktop/Notifications", _SERVICE, "Notify")
        # Application, id replaced, icon, summary, body, no actions, no hints, milliseconds. Not -1
        # for the desktop's own time: before systemd 254 busctl takes that for an option.
        values = ("susssasa{sv}i", "artac", "0", "", summary, "", "0", "0", "10000")
        return (busctl, "--user", "--quiet", "call", *call, *values)
    if notify_send := shutil.which("notify-send", path=path):
        return (notify_send, "--app-name=artac", "--", summary)
    return ()
