"""Checks of what notifications need: the program, the secret, the desktop's bus.

Each is a tuple (name, status, detail, fix), with the status ok, warn, fail or skip.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from ..model.errors import ArtacError
from ..model.notify_kinds import Desktop, host_of
from ..model.settings import Settings
from . import config_text, desktop, notify_secret
from .storage_checks import Finding


def notifications(
    settings: Settings, environ: Mapping[str, str], in_service: bool
) -> list[Finding]:
    """Nothing is run and nothing is posted."""
    name = "notifications"
    if not settings.notify_on:
        return [(name, "skip", "notify_on is empty: nobody is told", "")]
    found = []
    if settings.notify_command:
        found.append(("notify_command", *_program(settings.notify_command[0])))
    if settings.notify_url:
        found.append(("notify_url", *_url(settings, environ, in_service)))
    if desktop.bus(environ, settings.notify_desktop):
        found.append(("notify_desktop", *_desktop(environ)))
    elif settings.notify_desktop is Desktop.TRUE:
        detail = "this account has no session bus"
        found.append(("notify_desktop", "fail", detail, "set notify_desktop: auto, then reload"))
    what = ", ".join(settings.notify_on)
    nobody = f"{what} is to be told, and neither a program nor a URL is given"
    return found or [(name, "warn", nobody, "set notify_command or notify_url, then reload")]


def _program(path: str) -> tuple[str, str, str]:
    quoted = shlex.quote(path)
    if not os.path.isfile(path):
        return "fail", f"{path} is not there", f"ls -l {quoted}"
    if not os.access(path, os.X_OK):
        return "fail", f"{path} cannot be executed by this account", f"chmod +x {quoted}"
    # Who can write to it runs what he likes as this account.
    if os.stat(path).st_mode & 0o002:
        return "fail", f"every account can write to {path}", f"chmod o-w {quoted}"
    return "ok", path, ""


def _url(settings: Settings, environ: Mapping[str, str], in_service: bool) -> tuple[str, str, str]:
    where = host_of(settings.notify_url)
    if not in_service and not settings.notify_secret_file:
        return "skip", f"{where}; only the daemon sees its credentials", ""
    try:
        notify_secret.read(settings.notify_secret_file, environ)
    except ArtacError as error:
        fix = "systemctl edit artac  # [Service] LoadCredential=notify-secret:/path"
        if settings.notify_secret_file:
            fix = _make_secret(Path(settings.notify_secret_file))
        return "fail", error.message, fix
    return "ok", f"{where}, signed (not tried)", ""


def _make_secret(path: Path) -> str:
    try:
        return config_text.closing(path, path.stat())
    except OSError:
        pass
    return config_text.making(path, "openssl rand -hex 32")


def _desktop(environ: Mapping[str, str]) -> tuple[str, str, str]:
    if desktop.command("", environ):
        return "ok", "over the session bus (not tried)", ""
    fix = "apt-get install libnotify-bin"
    return "warn", "neither busctl nor notify-send is there to tell it with", fix
