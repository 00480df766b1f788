"""A way of telling, over a real event file: what waits is bounded, and all is told in the end."""

from __future__ import annotations

import asyncio
import json
import os
import select
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from artac_daemon.daemon import notification_channel
from artac_daemon.daemon.event_file import EventFile
from artac_daemon.daemon.notification_channel import AT_ONCE, MOST, Channel
from artac_daemon.host import bounded_program
from artac_daemon.model.errors import ArtacError, ErrorKind
from artac_daemon.model.notification import Notification, Occasion
from artac_daemon.model.settings import Settings

SETTINGS = Settings(notify_on=tuple(Occasion), notify_after=0.1, notify_retry=5.0)


class Told:
    """Who is told, and waits with its answer until it may."""

    def __init__(self, file: EventFile, mark: int | None = None, settings: Any = SETTINGS) -> None:
        self.got: list[str] = []
        self.most = 0
        self.marks: list[int | None] = []
        self.go_on = asyncio.Event()
        self.problem: ArtacError | None = None
        self._now = 0
        self._changed = asyncio.Event()
        self.channel = Channel("test", file, lambda: settings, self._tell, self._on_mark)
        self.channel.start(mark)

    async def _tell(self, notification: Notification) -> None:
        self._now += 1
        self.most = max(self.most, self._now)
        try:
            await self.go_on.wait()
        finally:
            self._now -= 1
        self.got.append(notification.id)
        self._changed.set()
        if self.problem is not None:
            raise self.problem

    def _on_mark(self) -> None:
        self.marks.append(self.channel.mark)

    async def until(self, done: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not done():
                self._changed.clear()
                await self._changed.wait()


def opened(path: Path) -> EventFile:
    file = EventFile(path, lambda: None)
    file.open()
    return file


def end(file: EventFile, number: int) -> str:
    """An end in the file; the id of what is to be told."""
    session = f"s{number}"
    file.append({"event": "ended", "session": session, "name": "n", "at": 1.0, "reason": "x"})
    return f"{session}-{file.size}"


async def quiet() -> None:
    """Let everything run that can."""
    for _ in range(200):
        await asyncio.sleep(0)


def test_a_flood_waits_on_disk_and_all_of_it_is_told(tmp_path: Path) -> None:
    async def flood() -> None:
        file = opened(tmp_path / "events")
        told = Told(file)
        await quiet()
        first = [end(file, number) for number in range(MOST)]
        await quiet()
        rest = [end(file, number) for number in range(MOST, 10 * MOST)]
        await quiet()
        assert len(told.channel._queue) == MOST  # the others are in the file
        assert told.most == AT_ONCE
        told.go_on.set()
        await told.until(lambda: len(told.got) == 10 * MOST)
        await told.channel.close(5)
        assert sorted(told.got) == sorted(first + rest) and told.most == AT_ONCE
        assert told.channel.mark == file.size
        file.close()

    asyncio.run(flood())


def test_the_next_backend_goes_on_where_this_one_was_killed(tmp_path: Path) -> None:
    async def life(mark: int | None) -> tuple[list[str], int | None]:
        file = opened(tmp_path / "events")
        told = Told(file, mark)
        for number in range(3):
            end(file, number)
        told.go_on.set()
        await told.until(lambda: len(told.got) >= 3)
        await quiet()
        killed_here = told.marks[-1]
        told.go_on.clear()
        end(file, 9)
        await quiet()
        await told.channel.close()  # cut off, as by a kill
        file.close()
        return told.got, killed_here

    first, mark = asyncio.run(life(None))
    second, _ = asyncio.run(life(mark))
    assert [one.partition("-")[0] for one in first] == ["s0", "s1", "s2"]
    assert second[0].partition("-")[0] == "s9"


@pytest.mark.parametrize("mark", [7, 10**9])
def test_a_mark_of_other_events_is_the_end_of_these(tmp_path: Path, mark: int) -> None:
    async def life() -> None:
        file = opened(tmp_path / "events")
        end(file, 1)
        told = Told(file, mark)
        told.go_on.set()
        new = end(file, 2)
        await told.until(lambda: bool(told.got))
        await told.channel.close(5)
        assert told.got == [new]
        file.close()

    asyncio.run(life())


def test_what_was_dropped_before_it_was_told_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def life() -> None:
        file = opened(tmp_path / "events")
        end(file, 1)
        mark = file.size
        while file.size < 3 * 65536:
            end(file, 2)
        bounded = await asyncio.create_subprocess_exec(
            "fallocate", "--punch-hole", "--offset=0", "--length=131072", str(file.path)
        )
        assert await bounded.wait() == 0
        file.close()
        file = opened(tmp_path / "events")
        told = Told(file, mark)
        told.go_on.set()
        new = end(file, 3)
        await told.until(lambda: new in told.got)
        await told.channel.close(5)
        file.close()

    asyncio.run(life())
    assert caplog.text.count("bytes of events were dropped before they were told") == 1


def test_one_line_for_a_way_that_is_broken_and_one_when_it_works_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def life() -> None:
        file = opened(tmp_path / "events")
        told = Told(file)
        told.go_on.set()
        told.problem = ArtacError(ErrorKind.FAILED, "it says no")
        for number in range(5):
            end(file, number)
        await told.until(lambda: len(told.got) == 5)
        await quiet()
        told.problem = None
        end(file, 6)
        await told.until(lambda: len(told.got) == 6)
        await told.channel.close(5)
        file.close()

    with caplog.at_level("INFO"):
        asyncio.run(life())
    assert [record.getMessage() for record in caplog.records] == [
        "test: ended was not told: it says no; no more is said until one gets through",
        "test: works again; not told: 5",
    ]


def test_tries_end_with_the_time_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pauses: list[int] = []

    def pause(failures: int, chance: float) -> float:
        assert 0 <= chance <= 1
        pauses.append(failures)
        return 0.02 * failures

    monkeypatch.setattr(notification_channel, "pause", pause)

    async def life() -> int:
        file = opened(tmp_path / "events")
        told = Told(file, settings=Settings(notify_on=tuple(Occasion), notify_retry=0.3))
        told.go_on.set()
        told.problem = ArtacError(ErrorKind.UNAVAILABLE, "not now")
        end(file, 1)
        await told.until(lambda: "not now" in caplog.text)
        await told.channel.close(5)
        assert told.channel.mark == file.size and len(set(told.got)) == 1
        file.close()
        return len(told.got)

    tries = asyncio.run(life())
    assert pauses == list(range(1, tries + 1)) and tries > 1
    assert caplog.text.count("not now") == 1


def run(script: str, seconds: float = 20.0, given: bytes = b"") -> int:
    argv = ["/bin/sh", "-c", script]
    return asyncio.run(bounded_program.run(argv, {"PATH": os.environ["PATH"]}, given, seconds))


def test_a_program_gets_its_input_and_says_how_it_ended(tmp_path: Path) -> None:
    given = json.dumps({"x": "y" * 100_000}).encode()
    assert run(f"cat >{tmp_path}/got; exit 3", given=given) == 3
    assert (tmp_path / "got").read_bytes() == given
    assert run("exit 0", given=given) == 0  # without reading any
    assert run("kill -9 $$") == -9


@pytest.mark.parametrize("script", ["wait", "exit 0"])
def test_what_a_program_has_forked_goes_with_it(tmp_path: Path, script: str) -> None:
    fifo = tmp_path / "held"
    os.mkfifo(fifo)
    held = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    own = os.open(fifo, os.O_WRONLY)
    forked = f"sleep 1000 >{fifo} & sleep 1000 >{fifo} & {script}"
    if script == "wait":
        with pytest.raises(TimeoutError):
            run(forked, 0.5)
    else:
        assert run(forked) == 0
    os.close(own)
    # Readable and empty: nobody has it open to write any more.
    assert select.select([held], [], [], 20)[0] and os.read(held, 1) == b""
    os.close(held)


def test_a_flood_of_output_goes_nowhere() -> None:
    with pytest.raises(TimeoutError):
        run("yes; yes >&2", 0.5)


def test_a_program_that_is_not_there_is_an_oserror() -> None:
    with pytest.raises(OSError, match="No such file"):
        asyncio.run(bounded_program.run(["/nonexistent/x"], {}, b"", 5.0))
