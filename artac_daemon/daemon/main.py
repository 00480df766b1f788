"""artacd: configuration, the backend, exit code."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import sys
from collections.abc import Sequence

from ..host import configuration, journal
from ..host.message_ids import MessageId
from ..model import settings_view
from ..model.errors import ArtacError
from .lifecycle import Backend, Load, load_with
from .options import parser

log = logging.getLogger("artac")

# How many more objects there have to be before garbage is looked for; 700 by default.
_COLLECT_AFTER = 10_000


def main(argv: Sequence[str] | None = None) -> int:
    """Run the backend; the exit code that systemd and a shell get."""
    options = parser().parse_args(argv)
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
    # What is loaded by now stays. Every request leaves some garbage, and by default one in a few
    # would wait until all of it was looked through.
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 20, 20)
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


if __name__ == "__main__":
    sys.exit(main())
