"""Logging: to journald with fields where it runs, else to stderr with `<N>` levels.

Every record about a session carries `artac_session`, `artac_name` and `artac_event` as extra
attributes, which become the fields ARTAC_SESSION=, ARTAC_NAME= and ARTAC_EVENT=; that of an end
also `artac_reason`. One that `journalctl -x` is to explain has `artac_message_id`.
"""

from __future__ import annotations

import logging
import os
import sys

from ..keeper import journal

NOTICE = 25
logging.addLevelName(NOTICE, "NOTICE")

_PRIORITIES = (
    (logging.CRITICAL, 2),
    (logging.ERROR, 3),
    (logging.WARNING, 4),
    (NOTICE, 5),
    (logging.INFO, 6),
    (logging.DEBUG, 7),
)
_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "notice": NOTICE,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


class JournalHandler(logging.Handler):
    """Native journal entries; falls back to stderr when journald does not take one."""

    def __init__(self, identifier: str) -> None:
        super().__init__()
        self._identifier = identifier
        self._fallback = StderrHandler()

    def emit(self, record: logging.LogRecord) -> None:
        fields = {
            "MESSAGE": self.format(record),
            "PRIORITY": str(_priority(record.levelno)),
            "SYSLOG_IDENTIFIER": self._identifier,
            "LOGGER": record.name,
        }
        for name in ("artac_session", "artac_name", "artac_event", "artac_reason"):
            if value := getattr(record, name, ""):
                fields[name.upper()] = str(value)
        if message_id := getattr(record, "artac_message_id", ""):
            fields["MESSAGE_ID"] = str(message_id)
        if not journal.send(fields):
            self._fallback.emit(record)


class StderrHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """`<N>` in front, as sd-daemon(3) has it; in plain words on a terminal."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self._plain = sys.stderr.isatty()

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        session = getattr(record, "artac_session", "")
        if session and session not in text:
            text = f"{text} [{session}]"
        if self._plain:
            return text
        # Each line has a level of its own for who reads this, so none may do without.
        level = f"<{_priority(record.levelno)}>"
        return "\n".join(level + line for line in text.splitlines())


def set_up(level: str, identifier: str = "artacd") -> None:
    """Send the log of this process to where its stderr goes, with fields if that is the journal."""
    root = logging.getLogger()
    root.handlers = [JournalHandler(identifier) if _stderr_is_journal() else StderrHandler()]
    set_level(level)


def set_level(level: str) -> None:
    """Change how much is logged; the library's own chatter stays at warnings."""
    logging.getLogger().setLevel(logging.WARNING)
    logging.getLogger("artac").setLevel(_LEVELS[level])


def about(session_id: str, name: str, event: str, message_id: str = "") -> dict[str, str]:
    """The `extra` of a record about a session; `message_id` is one of host/message_ids.py."""
    return {
        "artac_session": session_id,
        "artac_name": name,
        "artac_event": event,
        "artac_message_id": message_id,
    }


def explained(message_id: str) -> dict[str, str]:
    """The `extra` of a record about the backend that `journalctl -x` explains."""
    return {"artac_message_id": message_id}


def _priority(level: int) -> int:
    return next((priority for least, priority in _PRIORITIES if level >= least), 7)


def _stderr_is_journal() -> bool:
    """systemd names the journal's stream by device and inode; a redirected stderr is not it."""
    device, _, inode = os.environ.get("JOURNAL_STREAM", "").partition(":")
    try:
        status = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return (device, inode) == (str(status.st_dev), str(status.st_ino))
