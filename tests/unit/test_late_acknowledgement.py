"""A keeper's word that something was written may come after Claude has dealt with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from artac_daemon.claude.stream import Seen
from artac_daemon.daemon import answering, sending
from artac_daemon.daemon.link import Link
from artac_daemon.daemon.session import Session
from artac_daemon.host.inotify import GrowthWatch
from artac_daemon.host.store import Store
from artac_daemon.model.permission import Outcome, PermissionRequest, Reply
from artac_daemon.model.session import Kind, Placement, SessionSpec, State

SPEC = SessionSpec(
    "k3f9q2", "api", Kind.HEADLESS, Placement.DETACHED, False, "/", "conversation", 0.0, "boot"
)


class FastClaude:
    """A keeper's link; by the time of its reply the output has told all of this."""

    def __init__(self, session: Session, *told: Seen) -> None:
        self._session, self._told = session, told

    async def request(self, op: str, **content: Any) -> dict[str, Any]:
        for seen in self._told:
            self._session.claude_state.take(seen, 0)
        return {"result": "written"}


def session(tmp_path: Path, act: Callable[[Session], Any]) -> Session:
    async def run() -> Session:
        made = Session(SPEC, Store(tmp_path), cast(GrowthWatch, None))
        made._begun.set()
        await act(made)
        return made

    return asyncio.run(run())


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not done():
            await asyncio.sleep(0)


def test_a_message_that_was_answered_leaves_a_session_idle(tmp_path: Path) -> None:
    async def act(made: Session) -> None:
        made.claude_state.take(Seen(state=State.IDLE), 0)
        told = (Seen(state=State.WORKING), Seen(replayed="uuid"), Seen(state=State.IDLE))
        made._link = cast(Link, FastClaude(made, *told))
        made.directory.mkdir(parents=True)
        await sending.send(made, "hello", "uuid", "alice")
        await until(lambda: made.messages.unread == 0)

    assert session(tmp_path, act).state is State.IDLE


def test_a_next_request_is_not_passed_over(tmp_path: Path) -> None:
    async def act(made: Session) -> None:
        asked = PermissionRequest("one", "Bash", {}, ())
        made.claude_state.take(Seen(state=State.NEEDS_PERMISSION), 0)
        made.claude_state.take(Seen(asked=(asked,)), 0)
        told = (
            Seen(answered="one", outcome=Outcome.ALLOWED),
            Seen(state=State.WORKING),
            Seen(state=State.NEEDS_PERMISSION),  # and what for is not read yet
        )
        made._link = cast(Link, FastClaude(made, *told))
        settled = await answering.answer(made, "one", Reply(allow=True), "alice")
        assert (settled.outcome, settled.by) == (Outcome.ALLOWED, "alice")

    assert session(tmp_path, act).state is State.NEEDS_PERMISSION


def test_an_answer_is_taken_for_work_until_claude_says_more(tmp_path: Path) -> None:
    async def act(made: Session) -> None:
        made.claude_state.take(Seen(state=State.NEEDS_PERMISSION), 0)
        made.claude_state.take(Seen(asked=(PermissionRequest("one", "Bash", {}, ()),)), 0)
        made._link = cast(Link, FastClaude(made))
        await answering.answer(made, "one", Reply(allow=False), "alice")

    assert session(tmp_path, act).state is State.WORKING
