"""Messages with the real Claude Code: merged, taken back out of its own queue, over a crash."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.backend import until
from tests.support.way import Way


@pytest.fixture
def persistent(system: Way) -> Way:
    """The machine's own artac, persisting and running."""
    system.machine.linger("artac")
    system.configure(PERSIST_CLAUDE_SESSIONS="true")
    system.start()
    return system


def messages(way: Way, *words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(way.artac("messages", "--json", *words).stdout)
    return found


def test_messages_are_merged_and_taken_back_over_a_crash(persistent: Way) -> None:
    way = persistent
    session = way.run("--name", "api", "slow: 25 first")
    (prompt,) = until(lambda: messages(way, "api", "--all"), "the prompt")
    until(lambda: messages(way, "api") == [], "the turn's begin")

    def ask(text: str) -> str:
        return way.ask("api", text)

    with ThreadPoolExecutor() as pool:
        asked = [pool.submit(ask, text) for text in ("one", "two")]
        until(lambda: len(messages(way, "api")) == 2, "both are with Claude")
        way.artac("send", "api", "not-wanted-any-more", "--uuid", f"00000000{prompt['uuid'][8:]}")
        assert "cancelled 00000000-" in way.artac("cancel", "api", "00000000").stdout
        begun = way.artac("cancel", "api", prompt["uuid"], check=False)
        assert begun.returncode == 6 and "begun with it" in begun.stderr
        way.crash()
        said = {answer.result() for answer in asked}
    (merged,) = said
    assert merged in ("echo: one\ntwo", "echo: two\none")
    way.wait("api", "idle")
    assert sorted(m["state"] for m in messages(way, "api", "--all")) == [
        "answered", "answered", "answered", "cancelled",
    ]  # fmt: skip
    assert b"not-wanted-any-more" not in way.output(session["id"])
    # Taken back at the very moment when it is handed over: whatever Claude did is what is told.
    for number in range(5):
        way.artac("send", "api", f"late {number}")
        (last,) = messages(way, "api", "--all")[-1:]
        told = way.artac("cancel", "api", last["uuid"], check=False).returncode
        way.wait("api", "idle")
        (last,) = messages(way, "api", "--all")[-1:]
        assert last["state"] == {0: "cancelled", 6: "answered"}[told]
        answered = f"echo: late {number}".encode() in way.output(session["id"])
        assert answered == (last["state"] == "answered")
