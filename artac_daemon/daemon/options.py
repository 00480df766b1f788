"""artacd's options. Imports nothing heavy: the man page is made of them where artac is built."""

from __future__ import annotations

import argparse
from pathlib import Path

from .. import __version__


def parser() -> argparse.ArgumentParser:
    """Each option that is a setting has its name; None where it was not given."""
    made = argparse.ArgumentParser(
        prog="artacd",
        description="Host Claude Code sessions. Started by systemd: systemctl start artac.",
        epilog="Exit codes: 0 stopped as asked, 1 failed, 2 usage, 78 configuration or environment "
        "refused. Every option is also a setting: see artac.yaml.",
    )
    made.add_argument("--version", action="version", version=f"artacd {__version__}")
    made.add_argument(
        "--config", type=Path, metavar="PATH", help="a configuration file, or its directory"
    )
    made.add_argument(
        "--check-config", action="store_true", help="check the configuration, show it, and exit"
    )
    made.add_argument(
        "--persist",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="whether new sessions outlive this backend (PERSIST_CLAUDE_SESSIONS)",
    )
    made.add_argument("--state-directory", metavar="DIR", help="where sessions are kept")
    made.add_argument("--socket", metavar="PATH", help="the API's socket")
    made.add_argument("--placement", metavar="auto|detached", help="where sessions live")
    made.add_argument("--log-level", metavar="LEVEL", help="debug, info, notice, warning, error")
    return made
