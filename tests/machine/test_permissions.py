"""The real Claude Code asks, waits, and does as it is answered; the model is the loopback API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.backend import until
from tests.support.machine import Machine
from tests.support.way import Way

POLICIES = "/etc/artac/artac.yaml.d/50-policies.yaml"


@pytest.fixture
def persistent(system: Way) -> Way:
    """The machine's own artac, persisting and running."""
    system.machine.linger("artac")
    system.configure(PERSIST_CLAUDE_SESSIONS="true")
    system.start()
    return system


@pytest.fixture
def policies(api: Machine) -> Iterator[Path]:
    """Where the machine's policies go; they are taken away afterwards."""
    yield Path(POLICIES)
    api.ns("rm", "-f", POLICIES)


def ask(way: Way, ref: str, command: str) -> dict[str, Any]:
    """Have the model call Bash with that; what Claude then asks."""
    way.artac("send", ref, f"tool: {command}")
    way.wait(ref, "needs-permission")
    (asked,) = waiting(way, ref)
    assert (asked["tool"], asked["input"]["command"]) == ("Bash", command)
    return asked


def waiting(way: Way, *words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(way.artac("permissions", "--json", *words).stdout)
    return found


def last_result(way: Way, ref: str) -> str:
    """What the latest turn came to, once there is one and Claude rests."""
    way.wait(ref, "idle")
    output = way.output(way.status(ref)["id"])
    lines = [json.loads(line) for line in output.splitlines() if line.strip()]
    text: str = [line.get("result", "") for line in lines if line["type"] == "result"][-1]
    return text


def made(way: Way, name: str) -> bool:
    return way.machine.ns("test", "-e", str(way.work / name), check=False).returncode == 0


def test_what_is_asked_is_answered(persistent: Way) -> None:
    way = persistent
    way.run("--name", "api")
    asked = ask(way, "api", "touch allowed")
    shown = way.artac("permissions").stdout
    assert asked["request"] in shown and "Bash: touch allowed" in shown
    assert "--always 1: allow Bash(touch allowed *) in localSettings" in shown
    assert not made(way, "allowed")
    # A backend that dies meanwhile forgets nothing.
    way.crash()
    (found,) = waiting(way)
    assert found["request"] == asked["request"]
    way.artac("allow", asked["request"])
    assert last_result(way, "api").startswith("tool said: ") and made(way, "allowed")
    again = way.artac("allow", asked["request"], check=False)
    assert again.returncode == 6 and "already" in again.stderr

    # The loopback API says what the result of the tool was that Claude has sent it.
    asked = ask(way, "api", "touch denied")
    way.artac("deny", asked["request"], "--reason", "not on a Monday")
    assert last_result(way, "api") == "tool said: not on a Monday"
    assert not made(way, "denied")

    asked = ask(way, "api", "touch interrupted")
    way.artac("interrupt", "api")
    way.wait("api", "idle")
    assert waiting(way) == []
    gone = way.artac("allow", asked["request"], check=False)
    assert gone.returncode == 4 and "is gone" in gone.stderr

    asked = ask(way, "api", "touch refused")
    way.artac("deny", asked["request"], "--interrupt")
    way.wait("api", "idle")
    assert not made(way, "refused") and not made(way, "interrupted")

    asked = ask(way, "api", "touch always")
    way.artac("allow", asked["request"], "--always", "1")
    last_result(way, "api")
    way.machine.ns("rm", str(way.work / "always"))
    way.artac("send", "api", "tool: touch always", "--wait", "--timeout", "50s")
    assert made(way, "always")
    way.machine.ns("rm", "-rf", str(way.work / ".claude"))


def test_what_the_model_asks_a_person_is_answered(persistent: Way) -> None:
    way = persistent
    way.run("--name", "api")
    options = [{"label": "red", "description": "warm"}, {"label": "blue", "description": "cold"}]
    one = {"question": "Which colour?", "header": "Colour", "options": options}
    asked = {
        "questions": [
            {**one, "multiSelect": False},
            {**one, "question": "Which others?", "multiSelect": True},
        ]
    }
    for words, told in (
        (["2", "1,2"], ("blue", "red, blue")),
        (["1", "none of"], ("red", "none of")),
    ):
        way.artac("send", "api", f"use: AskUserQuestion {json.dumps(asked)}")
        way.wait("api", "needs-permission")
        (request,) = waiting(way)
        assert "    2: blue (cold)" in way.artac("permissions").stdout.splitlines()
        way.artac("answer", request["request"], *words)
        said = last_result(way, "api")
        assert f'"Which colour?"="{told[0]}", "Which others?"="{told[1]}"' in said


def test_a_backend_that_was_away_asks_claude_what_waits(persistent: Way) -> None:
    way = persistent
    session = way.run("--name", "api")
    asked = ask(way, "api", "touch later")
    way.stop()
    output = str(way.state / "sessions" / session["id"] / "output")
    blank = "import sys,re; p=sys.argv[1]; d=open(p,'rb').read(); "
    blank += 'i=d.index(b\'{"type":"control_request"\'); '
    blank += "f=open(p,'r+b'); f.seek(i); f.write(b' '*(len(d)-i-1)+b'\\n')"
    way.machine.ns("python3", "-c", blank, output)
    way.start()
    (found,) = until(lambda: waiting(way), "the request, from Claude itself")
    assert found["request_id"] == asked["request_id"]
    way.artac("allow", found["request"][:5])
    assert last_result(way, "api").startswith("tool said: ") and made(way, "later")


def test_a_directorys_policy_is_what_claude_goes_by(system: Way, policies: Path) -> None:
    system.machine.run(["mkdir", "-p", f"{system.work}/free/strict"], user=system.account)
    content = {
        "policies": [
            {"root": f"{system.work}/free", "permission_mode": "bypassPermissions"},
            {"root": f"{system.work}/free/strict", "denied_tools": ["Bash(touch *)"]},
        ]
    }
    system.machine.write(str(policies), json.dumps(content))
    system.configure()
    system.start()
    free = system.run("--name", "free", "--cwd", f"{system.work}/free", "hello")
    assert free["id"]
    assert system.status("free")["permission_mode"] == "bypassPermissions"
    system.ask("free", "tool: touch made")
    assert made(system, "free/made")
    system.run("--name", "strict", "--cwd", f"{system.work}/free/strict")
    said = system.ask("strict", "tool: touch made")
    assert "denied" in said and not made(system, "free/strict/made")
    refused = system.artac(
        "run", "--cwd", str(system.work), "--permission-mode", "bypassPermissions", check=False
    )
    assert refused.returncode == 2 and "acceptEdits" in refused.stderr


def test_a_status_tells_what_the_real_claude_told(system: Way) -> None:
    system.configure()
    system.start()
    system.run("--name", "api")
    system.ask("api", "hello")
    shown = system.status("api")
    assert shown["model_in_use"].startswith("claude-") and shown["last_message"] == "echo: hello"
    assert shown["tokens"]["input"] > 0 and shown["tokens"]["output"] > 0
    assert shown["context"]["window"] >= 200_000 and shown["context"]["tokens"] > 0
    system.artac("send", "api", "error: 500 x5")
    system.wait("api", "retrying")
    assert "the API answered 500" in system.status("api")["retry"]["sentence"]
    system.wait("api", "idle")
    assert system.status("api")["last_message"] == "echo: error: 500 x5"


def test_a_message_outlives_what_the_models_api_does_to_it(persistent: Way) -> None:
    """Slow, too busy, broken, cut: one turn each, in order, also where artacd is killed."""
    persistent.run("--name", "api")
    prompts = ["slow: 2 took its time", "error: 429 x2", "error: 500 x1", "error: cut x1"]
    sent = []
    for number, text in enumerate(prompts):
        sent.append(json.loads(persistent.artac("send", "--json", "api", text).stdout)["uuid"])
        if number == 2:
            persistent.crash()
        persistent.wait("api", "idle")
    told = json.loads(persistent.artac("messages", "--all", "--json", "api").stdout)
    assert [(row["uuid"], row["state"], row["outcome"]) for row in told] == [
        (uuid, "answered", "success") for uuid in sent
    ]
    # What is wrong for good is the turn's failure, and the session's no end.
    failed = persistent.artac("send", "--wait", "api", "error: 400", check=False)
    assert failed.returncode == 10 and failed.stdout == "" and "400" in failed.stderr
    assert "took its time" in persistent.ask("api", "recall")
