"""A session that is asked to stop, and killed while that is still being written down."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import Any

from artac_daemon.daemon import ending
from artac_daemon.model.session import StopRequest


class Store:
    """A disk that is slow with the first note, until the second one is there or will not come."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.writing = threading.Event()
        self.go_on = threading.Event()

    def write_stop(self, _: str, stop: StopRequest) -> None:
        self.writing.set()
        if stop.why == "stop":
            assert self.go_on.wait(60)
        self.written.append(stop.why)


class Session:
    """What is asked of one."""

    live, resumed_as = True, ""

    def __init__(self) -> None:
        self.spec = SimpleNamespace(id="k3f9q2")
        self.placing = asyncio.Lock()
        self.stop_request: StopRequest | None = None
        self.told: list[Any] = []

    async def begun(self) -> None:
        return

    def about(self, *_: object) -> dict[str, object]:
        return {}

    def tell(self, *_: object, **__: object) -> None:
        return

    def stopping(self) -> None:
        return

    async def request(self, op: str, **content: Any) -> None:
        self.told.append((op, content["why"]))


def test_the_kill_is_what_was_asked_last() -> None:
    """Whatever the disk's pace: otherwise a killed session's end says that it was stopped."""

    async def stopped_and_killed() -> tuple[Session, Store]:
        session, store = Session(), Store()

        def note(why: str) -> asyncio.Task[None]:
            request = StopRequest("me", why, 0.0)
            return asyncio.create_task(ending._note(session, store, request))  # type: ignore[arg-type]

        stop = note("stop")
        await asyncio.to_thread(store.writing.wait, 60)
        kill = note("kill")
        await asyncio.wait([kill], timeout=0.1)  # long enough for one that does not wait its turn
        store.go_on.set()
        await asyncio.gather(stop, kill)
        return session, store

    session, store = asyncio.run(stopped_and_killed())
    assert session.told[-1] == ("stop-asked", "kill")
    assert store.written[-1] == "kill"
    assert session.stop_request is not None and session.stop_request.why == "kill"
