"""Following the messages that Claude notes as waiting, from before there is a file of them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from artac_daemon.daemon.queue_notes import QueueNotes
from artac_daemon.daemon.session import Session
from artac_daemon.host.inotify import GrowthWatch

NOTE = '{"type":"queue-operation","operation":"enqueue","content":"%s"}\n'


def _noted(directory: Path, write: Any) -> list[str]:
    """What is told of the conversation there while `write` is at work."""

    async def follow() -> list[str]:
        growth, told = GrowthWatch(), asyncio.Queue[str]()
        session = SimpleNamespace(
            claude_state=SimpleNamespace(transcript=str(directory / "transcript.jsonl")),
            watch_growth=growth.add,
        )
        notes = QueueNotes(cast(Session, session), told.put_nowait)
        try:
            write(notes)
            return [await asyncio.wait_for(told.get(), 20)]
        finally:
            notes.close()
            growth.close()

    return asyncio.run(follow())


def test_only_what_is_noted_from_now_on_is_told(tmp_path: Path) -> None:
    path = tmp_path / "transcript.jsonl"
    path.write_text(NOTE % "before")

    def write(_: QueueNotes) -> None:
        with path.open("a") as file:
            file.write(NOTE % "now")

    assert _noted(tmp_path, write) == ["now"]


def test_a_file_that_comes_later_is_read_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "transcript.jsonl"
    assert _noted(tmp_path, lambda _: path.write_text(NOTE % "first")) == ["first"]


def test_a_directory_that_comes_later_is_found_by_another_look(tmp_path: Path) -> None:
    directory = tmp_path / "projects"

    def write(notes: QueueNotes) -> None:
        directory.mkdir()
        (directory / "transcript.jsonl").write_text(NOTE % "first")
        notes.look()

    assert _noted(directory, write) == ["first"]
