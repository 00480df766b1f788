"""Journal entries and lines of a log."""

from __future__ import annotations

import io
import logging
import os
import socket
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artac_daemon.host import journal as host_journal
from artac_daemon.host.journal import NOTICE, JournalHandler, StderrHandler, about
from artac_daemon.keeper import journal

LEVELS = [
    (logging.CRITICAL, 2),
    (logging.ERROR, 3),
    (logging.WARNING, 4),
    (NOTICE, 5),
    (logging.INFO, 6),
    (logging.DEBUG, 7),
    (1, 7),
]


def decode(data: bytes) -> dict[str, bytes]:
    """A datagram of journald's native protocol, read as journald does."""
    fields = {}
    while data:
        line, _, rest = data.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            (length,) = struct.unpack_from("<Q", rest)
            value, end = rest[8 : 8 + length], rest[8 + length : 9 + length]
            assert end == b"\n" and len(value) == length
            rest = rest[9 + length :]
        fields[name.decode()] = value
        data = rest
    return fields


names = st.from_regex(r"[A-Z][A-Z0-9_]{0,20}", fullmatch=True)


@given(st.dictionaries(names, st.text(st.characters(codec=None))))
def test_any_fields_arrive_as_they_were(fields: dict[str, str]) -> None:
    found = decode(journal.encode(fields))
    assert found == {name: value.encode("utf-8", "replace") for name, value in fields.items()}


def test_a_line_break_in_a_value_makes_no_field_of_its_own() -> None:
    forged = "harmless\nPRIORITY=0\nARTAC_SESSION=other"
    found = decode(journal.encode({"MESSAGE": forged, "PRIORITY": "6"}))
    assert found == {"MESSAGE": forged.encode(), "PRIORITY": b"6"}


@pytest.fixture
def journald(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Stands where journald listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "socket"))
        listener.settimeout(20)
        monkeypatch.setattr(journal, "SOCKET", str(tmp_path / "socket"))
        yield listener


def record(level: int, message: str, *args: object, **extra: str) -> logging.LogRecord:
    made = logging.LogRecord("artac.session", level, "file", 1, message, args, None)
    made.__dict__.update(extra)
    return made


@pytest.mark.parametrize(("level", "priority"), LEVELS)
def test_an_entry_has_its_priority_and_whose_it_is(
    journald: socket.socket, level: int, priority: int
) -> None:
    extra = about("k3f9q2", "api", "stop")
    JournalHandler("artacd").emit(record(level, "stop asked by %s\nand more", "root", **extra))
    assert decode(journald.recv(65536)) == {
        "MESSAGE": b"stop asked by root\nand more",
        "PRIORITY": str(priority).encode(),
        "SYSLOG_IDENTIFIER": b"artacd",
        "LOGGER": b"artac.session",
        "ARTAC_SESSION": b"k3f9q2",
        "ARTAC_NAME": b"api",
        "ARTAC_EVENT": b"stop",
    }


def test_an_entry_of_no_session_has_no_empty_fields(journald: socket.socket) -> None:
    JournalHandler("artacd").emit(record(logging.INFO, "ready"))
    assert not any(name.startswith("ARTAC_") for name in decode(journald.recv(65536)))


def test_what_journald_does_not_take_is_said_on_stderr(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "SOCKET", str(tmp_path / "nobody"))
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert journal.send({"MESSAGE": "x"}) is False
    JournalHandler("artacd").emit(record(logging.ERROR, "still heard"))
    assert sys.stderr.getvalue() == "<3>still heard\n"


def test_a_journald_that_does_not_keep_up_is_not_waited_for(journald: socket.socket) -> None:
    taken = 0
    while journal.send({"MESSAGE": "x" * 1000}):
        taken += 1
        assert taken < 100_000
    assert taken > 0


# stderr


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def said(monkeypatch: pytest.MonkeyPatch, one: logging.LogRecord, stream: io.StringIO) -> str:
    monkeypatch.setattr(sys, "stderr", stream)
    StderrHandler().emit(one)
    return stream.getvalue()


@pytest.mark.parametrize(("level", "priority"), LEVELS)
def test_a_line_on_stderr_starts_with_its_level(
    monkeypatch: pytest.MonkeyPatch, level: int, priority: int
) -> None:
    one = record(level, "%d sessions", 3)
    assert said(monkeypatch, one, io.StringIO()) == f"<{priority}>3 sessions\n"
    assert said(monkeypatch, one, Terminal()) == "3 sessions\n"


def test_a_line_on_stderr_says_which_session_it_is_about_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    extra = about("k3f9q2", "api", "ended")
    unnamed, named = record(20, "ended", **extra), record(20, "session k3f9q2 ended", **extra)
    assert said(monkeypatch, unnamed, io.StringIO()) == "<6>ended [k3f9q2]\n"
    assert said(monkeypatch, named, io.StringIO()) == "<6>session k3f9q2 ended\n"


def test_no_line_on_stderr_takes_its_level_from_what_is_logged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A directory's name may have a line break, and the log of a daemon is read line by line."""
    one = record(logging.INFO, "session started in %s", "/srv/x\n<2>artacd: forged")
    lines = said(monkeypatch, one, io.StringIO()).splitlines()
    assert all(line.startswith("<6>") for line in lines)


# Where the log goes


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("artac")
    before = root.handlers, root.level, ours.level
    yield
    root.handlers, root.level = before[0], before[1]
    ours.setLevel(before[2])


@pytest.mark.usefixtures("logging_as_before")
def test_the_journal_is_used_only_where_stderr_goes_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "stderr").open("w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        status = os.fstat(stream.fileno())
        for named, kind in (
            (f"{status.st_dev}:{status.st_ino}", JournalHandler),
            (f"{status.st_dev}:{status.st_ino + 1}", StderrHandler),
            ("", StderrHandler),
        ):
            monkeypatch.setenv("JOURNAL_STREAM", named)
            host_journal.set_up("info")
            assert [type(handler) for handler in logging.getLogger().handlers] == [kind]


@pytest.mark.usefixtures("logging_as_before")
def test_the_level_is_that_of_artac_and_libraries_stay_quiet() -> None:
    host_journal.set_level("debug")
    assert logging.getLogger("artac.session").isEnabledFor(logging.DEBUG)
    assert not logging.getLogger("aiohttp.access").isEnabledFor(logging.INFO)
    host_journal.set_level("notice")
    assert logging.getLogger("artac").isEnabledFor(NOTICE)
    assert not logging.getLogger("artac").isEnabledFor(logging.INFO)
