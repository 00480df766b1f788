"""The settings, and the exit codes of docs/exit-codes.md, as parts of pages."""

from __future__ import annotations

import re
from pathlib import Path

import roff

from artac_daemon.model.setting_kinds import Raw
from artac_daemon.model.settings import SETTINGS, Reload, Setting

_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def settings() -> str:
    """Every setting: what it is, what it may be, and what it is where nobody says so."""
    return "\n".join(_setting(setting) for setting in SETTINGS.values())


def variables() -> str:
    """Which setting each variable of the environment is."""
    return "\n".join(
        roff.item(roff.bold(setting.env_name), roff.prose(f"The setting `{setting.key}`."))
        for setting in SETTINGS.values()
        if setting.env_name
    )


def _setting(setting: Setting) -> str:
    when = "at a reload" if setting.reload is Reload.LIVE else "after a restart of the daemon"
    doc = f"{setting.doc[:1].upper()}{setting.doc[1:]}."
    rows = [f"Allowed: {setting.kind.allowed}.", f"Default: `{_written(setting.default)}`"]
    if setting.env_name:
        rows.append(f"Environment: `{setting.env_name}`")
    rows.append(f"Changes count {when}.")
    return roff.item(roff.bold(setting.key), "\n.br\n".join(map(roff.prose, [doc, *rows])))


def _written(raw: Raw) -> str:
    if isinstance(raw, str):
        return raw or '""'
    return str(raw)  # the empty list or mapping, which YAML writes as Python does


def exit_status(document: Path, program: str) -> str:
    """A program's section of docs/exit-codes.md: its table, and the paragraphs below it."""
    section = document.read_text().split(f"\n## {program}\n", 1)[1].split("\n## ")[0]
    items, paragraphs = [], []
    for block in _FENCED.sub("", section).strip().split("\n\n"):
        if block.startswith("|"):
            rows = [
                [cell.strip() for cell in line.strip("|").split("|")] for line in block.split("\n")
            ]
            items += [_code(*row) for row in rows[2:]]
        elif block.strip():
            paragraphs.append(f".PP\n{roff.prose(block)}")
    return "\n".join([*items, *paragraphs])


def _code(code: str, *rest: str) -> str:
    *kinds, meaning = rest
    named = "".join(f"{kind}: " for kind in kinds if kind)
    return roff.item(roff.bold(code), roff.prose(named + meaning))


def exit_example(document: Path) -> str:
    """The shell lines in docs/exit-codes.md."""
    found = _FENCED.search(document.read_text())
    return roff.verbatim(found[0].splitlines()[1:-1]) if found else ""
