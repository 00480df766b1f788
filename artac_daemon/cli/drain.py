"""drain: systemd's ExecStop=; ends the sessions that are to end with the daemon."""

from __future__ import annotations

import argparse
import os

from ..model.errors import ArtacError, ErrorKind
from .client import Client, ConnectionLost, NoDaemon, note


def drain_options(parser: argparse.ArgumentParser) -> None:
    del parser  # it has none of its own


def drain(options: argparse.Namespace) -> int:
    try:
        ended = _client(options).post("/v1/drain")["ended"]
    except (NoDaemon, ConnectionLost) as absent:
        # systemd's own sweep of the control group follows, and ends what is left.
        note(f"nothing drained: {absent.message}")
        return 0
    print(f"ended {ended} sessions")
    return 0


def _client(options: argparse.Namespace) -> Client:
    """The client of the very daemon whose unit this runs in.

    The usual search could find another daemon of the same account, and end its sessions.
    """
    if options.socket or not os.environ.get("RUNTIME_DIRECTORY"):
        return Client.of(options)
    from pathlib import Path

    from ..host import configuration, directories
    from ..model.settings import Settings

    try:
        settings = configuration.load({}, os.environ, Path.cwd()).resolved.settings
    except ArtacError as error:
        if error.kind is not ErrorKind.CONFIG:
            raise
        settings = Settings(socket=os.environ.get("ARTAC_SOCKET", ""))
    return Client([str(directories.socket_path(settings, os.environ))])
