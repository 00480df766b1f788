"""When a session may start: figures in, one sentence out; and the order of those who wait."""

from __future__ import annotations

import asyncio

import pytest

from artac_daemon.daemon.admission import Admission, always_asked, readings
from artac_daemon.model.admission import Readings, refusal
from artac_daemon.model.errors import ArtacError, ErrorKind, NotAdmitted
from artac_daemon.model.limit_kinds import Percent
from artac_daemon.model.setting_kinds import Refused
from artac_daemon.model.settings import Settings
from artac_daemon.model.share_kinds import Share, SizeOrShare

M, G = 1 << 20, 1 << 30
TWENTIETH = Percent(5.0)


def judge(
    available: int = 12 * G,
    full: float | None = 0.0,
    running: int = 0,
    least: int | Percent = TWENTIETH,
    most: float = 20.0,
) -> str | None:
    settings = Settings(min_memory_available=least, max_memory_pressure=most, max_sessions=2)
    return refusal(settings, running, Readings(available, 24 * G, full))


def test_each_bound_is_told_with_its_figures() -> None:
    assert judge() is None
    assert judge(running=2) == "2 sessions are running, max_sessions allows 2"
    assert judge(available=310 * M) == (
        "memory: 310M of 24G available, min_memory_available asks for 1.2G"
    )
    assert judge(available=310 * M, least=311 * M) == (
        "memory: 310M of 24G available, min_memory_available asks for 311M"
    )
    assert judge(full=34.27) == (
        "memory pressure: 34.3% of the last 10 s lost, max_memory_pressure is 20%"
    )


def test_what_is_just_within_the_bounds_is_let_in() -> None:
    assert judge(available=310 * M, least=310 * M) is None
    assert judge(full=20.0) is None and judge(full=20.01) is not None


def test_bounds_that_are_off() -> None:
    assert judge(available=0, least=0) is None and judge(available=0, least=Percent(0.0)) is None
    assert judge(full=100.0, most=100.0) is None
    assert judge(full=None, most=0.0) is None  # a kernel that does not tell
    assert judge(full=0.01, most=0.0) is not None


def test_this_machine_is_read() -> None:
    found = readings()
    assert 0 < found.memory_available < found.memory_total
    assert found.memory_full is None or 0 <= found.memory_full <= 100


def test_shares() -> None:
    kind = SizeOrShare("64T")
    assert kind.parse("5%") == Percent(5.0) and kind.parse(" 12.5 % ") == Percent(12.5)
    assert kind.parse("512M") == 512 * M and kind.parse("0") == 0
    assert Percent(12.5).of(800) == 100
    for written in ("5%", "12.5%", "100%", "0%", "99.999%", "3G", "0"):
        assert kind.write(kind.parse(written)) == written
    for wrong in ("101%", "-1%", "%", "5 percent", "x%", "5%%", "65T", "٥%", None, ["5%"]):
        with pytest.raises(Refused):
            kind.parse(wrong)
    with pytest.raises(Refused):
        Share().parse("20")  # of what?


class Gate:
    """An Admission over a machine that has room or not, as the test says."""

    def __init__(self) -> None:
        self.reason: str | None = "no room"
        self.admission = Admission(lambda: self.reason)
        self.started: list[str] = []
        self.go_on = asyncio.Event()

    async def start(self, name: str, seconds: float | None = 60.0, longest: int = 10) -> None:
        async with self.admission.turn(seconds, longest, always_asked):
            self.started.append(name)
            await self.go_on.wait()

    def queue(self, name: str) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(self.start(name))

    def room(self, reason: str | None = None) -> None:
        self.reason = reason
        self.admission.look_again()


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def test_first_come_first_served_and_one_start_at_a_time() -> None:
    async def play() -> None:
        gate = Gate()
        tasks = [gate.queue(name) for name in "abc"]
        await settle()
        assert gate.admission.queued == 3 and gate.started == []
        gate.room()
        await settle()
        # a is being started: what it will use is not in the figures yet.
        assert gate.started == ["a"] and gate.admission.queued == 2
        with pytest.raises(NotAdmitted) as refused:
            await gate.start("rushes", None)
        assert "2 requests are waiting before" in refused.value.reason
        gate.go_on.set()
        await asyncio.gather(*tasks)
        assert gate.started == ["a", "b", "c"] and gate.admission.queued == 0
        await gate.start("at once", None)

    asyncio.run(play())


def test_who_leaves_the_queue_holds_up_nobody() -> None:
    async def play() -> None:
        gate = Gate()
        gate.go_on.set()
        first, second = gate.queue("a"), gate.queue("b")
        await settle()
        first.cancel()
        await settle()
        assert gate.admission.queued == 1
        gate.room()
        await second
        assert gate.started == ["b"]

    asyncio.run(play())


def test_cancelled_at_the_moment_of_being_let_in() -> None:
    async def play() -> None:
        gate = Gate()
        gate.go_on.set()
        first, second = gate.queue("a"), gate.queue("b")
        await settle()
        gate.room()
        first.cancel()
        await second
        assert gate.started == ["b"] and gate.admission.queued == 0

    asyncio.run(play())


def test_a_failed_start_lets_the_next_one_in() -> None:
    async def play() -> None:
        gate = Gate()

        async def fails() -> None:
            async with gate.admission.turn(60.0, 10, always_asked):
                raise ArtacError(ErrorKind.FAILED, "no")

        first = asyncio.get_running_loop().create_task(fails())
        await settle()
        second = gate.queue("b")
        gate.go_on.set()
        await settle()
        gate.room()
        with pytest.raises(ArtacError):
            await first
        await second
        assert gate.started == ["b"]

    asyncio.run(play())


def test_the_end_of_the_time_the_bound_and_a_stop() -> None:
    async def play() -> None:
        gate = Gate()
        with pytest.raises(ArtacError) as late:
            await gate.start("a", 0.01)
        assert late.value.kind is ErrorKind.LIMIT
        assert "10ms" in late.value.message and "no room" in late.value.message
        waiting = gate.queue("b")
        await settle()
        with pytest.raises(ArtacError) as full:
            await gate.start("c", 60.0, longest=1)
        assert full.value.kind is ErrorKind.LIMIT and "max_queue" in full.value.message
        assert not isinstance(full.value, NotAdmitted)
        gate.admission.close()
        with pytest.raises(ArtacError) as stopped:
            await waiting
        assert stopped.value.kind is ErrorKind.UNAVAILABLE
        assert gate.started == [] and gate.admission.queued == 0

    asyncio.run(play())
