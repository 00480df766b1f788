"""The programs of docs/python-client.md do what the page says."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from typing import Any

from artac_daemon.client import AsyncClient
from tests.support import cache
from tests.support.backend import Backend, until

PAGE = cache.PROJECT / "docs/python-client.md"


def programs() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def begin(backend: Backend, program: str, *words: str) -> subprocess.Popen[str]:
    # Out of its own directory, as a program of anybody's; the socket comes from the environment.
    return subprocess.Popen(
        [sys.executable, "-c", program, *words],
        env=backend.environment(),
        cwd=backend.work,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(running: subprocess.Popen[str]) -> str:
    """What it printed; it has ended well."""
    out, err = running.communicate(timeout=60)
    assert (running.returncode, err) == (0, ""), out
    return out


def test_the_orchestrator_is_a_short_one() -> None:
    lines = [line for line in programs()[1].splitlines() if line]
    assert len(lines) <= 32, len(lines)


def test_the_orchestrator_outlives_the_death_of_the_backend(persistent: Backend) -> None:
    prompts = ["!slow 12 slowly", "!permission Read notes", "!permission Bash touch it"]
    running = begin(persistent, programs()[1], *prompts)
    # One is at work, what the others asked for is answered: into the middle of it.
    until(
        lambda: (
            [s["state"] for s in persistent.list(ended=False)] == ["working"]
            and len(persistent.list()) == 3
        ),
        "one that is at work, and two that are answered",
    )
    persistent.kill()
    persistent.start()
    assert ended(running).splitlines() == [
        "success: slowly",
        "success: tool said: ran notes",
        "success: tool said: in this job you may only read",
    ]
    assert [session["end"]["reason"] for session in persistent.list()] == ["stopped"] * 3


def test_the_orchestrator_answers_what_was_asked_while_no_backend_ran(persistent: Backend) -> None:
    page: dict[str, Any] = {}
    exec(programs()[1].removesuffix("asyncio.run(main(sys.argv[1:]))\n"), page)

    async def story() -> str:
        client = AsyncClient(persistent.socket)
        answering = asyncio.create_task(page["answer"](client, await client.cursor()))
        session = await client.run("!slow 1", cwd=persistent.work)
        accepted = await client.send(session.id, "!permission Bash touch it")
        path = f"/v1/sessions/{session.id}/messages/{accepted.uuid}"
        await asyncio.to_thread(
            until,
            lambda: persistent.call("GET", path)["message"]["state"] != "queued",
            "Claude has it",
        )
        await asyncio.to_thread(persistent.kill)
        output = persistent.state / "sessions" / session.id / "output"
        await asyncio.to_thread(until, lambda: b"can_use_tool" in output.read_bytes(), "a question")
        await asyncio.to_thread(persistent.start)
        turn = await client.turn(session.id, accepted.uuid, 20)
        answering.cancel()
        return turn.text

    assert asyncio.run(story()) == "tool said: in this job you may only read"


def test_the_first_example_and_the_one_of_an_error(backend: Backend) -> None:
    (backend.work / "src/api").mkdir(parents=True)
    first, _, errors = programs()
    assert ended(begin(backend, first + errors)) == (
        "echo: write the missing tests\necho: now run them\n"
    )
