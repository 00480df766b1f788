"""config: every setting, its value and where it came from."""

from __future__ import annotations

import argparse
import os
from typing import Any

from . import rendering
from .client import Client, NoDaemon, account, note
from .escapes import harmless
from .options import add_json


def config_options(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "Without --check the daemon is asked for what is in force. When it is not there, or with\n"
        "--check, the files are read as the daemon would under this account and environment.\n"
        "Exits with 78 when something in them is wrong."
    )
    parser.add_argument(
        "--check",
        nargs="?",
        const="",
        metavar="PATH",
        help="read the files, or the file or directory given, and say whether they are good",
    )
    add_json(parser)


def config(options: argparse.Namespace) -> int:
    if options.check is not None:
        return _check(options)
    try:
        settings = Client.of(options).get("/v1/config")
    except NoDaemon as absent:
        note(absent.message)
        note(f"this is what the files say to {account()} here, not what is in force")
        settings, warnings, _ = _local("")
        for warning in warnings:
            note(f"warning: {warning}")
    _show(settings, options.json)
    return 0


def _check(options: argparse.Namespace) -> int:
    settings, warnings, files = _local(options.check)
    if options.json:
        _show(settings, True)
    for warning in warnings:
        note(f"warning: {warning}")
    note(f"configuration is good; read {', '.join(files) or 'no file, there is none'}")
    return 0


def _local(path: str) -> tuple[dict[str, Any], tuple[str, ...], list[str]]:
    from pathlib import Path

    from ..host import configuration
    from ..model import settings_view

    loaded = configuration.load({}, os.environ, Path.cwd(), Path(path) if path else None)
    return settings_view.to_json(loaded.resolved), loaded.warnings, list(map(str, loaded.files))


def _show(settings: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(rendering.json_text(settings))
        return
    rows = [
        (
            key,
            harmless(setting["written"]),
            setting["reload"],
            harmless(setting["origin"]),
        )
        for key, setting in settings.items()
    ]
    print("\n".join(rendering.table(("KEY", "VALUE", "CHANGES", "FROM"), rows, None)))
