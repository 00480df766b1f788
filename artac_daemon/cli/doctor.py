"""doctor: what is wrong with this machine, and what to run about it."""

from __future__ import annotations

import argparse
import os
from typing import Any

from . import rendering
from .client import Client, NoDaemon, account, note
from .escapes import harmless
from .options import add_json

# Checks run `claude --version` and systemd's tools.
_LONGEST = 60.0
_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red", "skip": "dim"}


def doctor_options(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "The daemon makes the checks. When it is not there, they are made for the account that\n"
        "runs this command. Exits with 1 when any of them fails."
    )
    add_json(parser)


def doctor(options: argparse.Namespace) -> int:
    try:
        checks = Client.of(options).get("/v1/doctor", _LONGEST)["checks"]
    except NoDaemon as absent:
        note(f"no daemon to ask, so these checks are for the account {account()}")
        checks = _local(absent.message)
    if options.json:
        print(rendering.json_text(checks))
    else:
        print("\n".join(_lines(checks)))
    return 1 if any(check["status"] == "fail" for check in checks) else 0


def _local(absence: str) -> list[dict[str, Any]]:
    import asyncio
    from pathlib import Path

    from ..claude import first_run, home
    from ..host import configuration, doctor
    from ..model.errors import ArtacError

    found = [doctor.Check("daemon", doctor.Status.WARN, absence, "")]
    try:
        loaded = configuration.load({}, os.environ, Path.cwd())
    except ArtacError as error:
        fix = "correct the file, then: artac config --check"
        found.append(doctor.Check("configuration", doctor.Status.FAIL, error.message, fix))
        loaded = configuration.load({}, {"HOME": "/nonexistent"}, Path("/"))
    settings = loaded.resolved.settings
    given = {**os.environ, **loaded.session_environment, **settings.session_env}
    asked = first_run.check(home.read(given), given, settings.trusted_directories)
    found += asyncio.run(
        doctor.examine(
            settings,
            os.environ,
            loaded.session_environment,
            loaded.session_places,
            [asked],
            in_service=False,
        )
    )
    return [check.to_json() for check in found]


def _lines(checks: list[dict[str, Any]]) -> list[str]:
    paint = rendering.colours()
    longest = max((len(check["name"]) for check in checks), default=0)
    lines = []
    for check in checks:
        status = f"{check['status']:<4}"
        if paint:
            status = rendering.painted(status, _COLOURS.get(check["status"], ""))
        lines.append(f"{status}  {check['name']:<{longest}}  {harmless(check['detail'])}")
        if check["fix"]:
            lines.append(f"{'':<{longest + 6}}  fix: {harmless(check['fix'])}")
    failed = sum(check["status"] == "fail" for check in checks)
    warned = sum(check["status"] == "warn" for check in checks)
    lines.append(f"{failed} failed, {warned} warnings, {len(checks)} checks")
    return lines
