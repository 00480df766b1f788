"""artacd: options, configuration, exit code."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from .. import __version__
from ..host import configuration, journal
from ..host.message_ids import MessageId
from ..model import settings_view
from ..model.errors import ArtacError
from .lifecycle import Backend, Load, load_with

log = logging.getLogger("artac")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the backend; the exit code that systemd and a shell get."""
    options = _parser().parse_args(argv)
    journal.set_up("info")
    load = load_with(_overrides(options), options.config)
    try:
        loaded = load()
        if options.check_config:
            for row in settings_view.rows(loaded.resolved):
                print(f"{row.key}: {row.value}  # {row.origin}")
            return 0
        journal.set_level(loaded.resolved.settings.log_level.value)
        return asyncio.run(_serve(loaded, load))
    except ArtacError as error:
        log.error("%s", error.message, extra=journal.explained(MessageId.REFUSED))
        return error.kind.exit_code


async def _serve(loaded: configuration.Loaded, load: Load) -> int:
    await Backend(loaded, load).serve()
    return 0


def _overrides(options: argparse.Namespace) -> dict[str, configuration.Override]:
    overrides: dict[str, configuration.Override] = {}
    if options.persist is not None:
        option = "--persist" if options.persist else "--no-persist"
        overrides["persist_claude_sessions"] = configuration.Override(
            str(options.persist).lower(), option
        )
    for key in ("state_directory", "socket", "placement", "log_level"):
        value = getattr(options, key)
        if value is not None:
            option = "--" + key.replace("_", "-")
            overrides[key] = configuration.Override(value, option)
    return overrides


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="artacd",
        description="Host Claude Code sessions. Started by systemd: systemctl start artac.",
        epilog="Exit codes: 0 stopped as asked, 1 failed, 2 usage, 78 configuration or environment "
        "refused. Every option is also a setting: see artac.yaml.",
    )
    parser.add_argument("--version", action="version", version=f"artacd {__version__}")
    parser.add_argument(
        "--config", type=Path, metavar="PATH", help="a configuration file, or its directory"
    )
    parser.add_argument(
        "--check-config", action="store_true", help="check the configuration, show it, and exit"
    )
    parser.add_argument(
        "--persist",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="whether new sessions outlive this backend (PERSIST_CLAUDE_SESSIONS)",
    )
    parser.add_argument("--state-directory", metavar="DIR", help="where sessions are kept")
    parser.add_argument("--socket", metavar="PATH", help="the API's socket")
    parser.add_argument("--placement", metavar="auto|detached", help="where sessions live")
    parser.add_argument("--log-level", metavar="LEVEL", help="debug, info, notice, warning, error")
    return parser


if __name__ == "__main__":
    sys.exit(main())
