"""What a reboot and a cut of the machine leave of sessions, and what is told of them."""

from __future__ import annotations

import json

import pytest

from tests.machine.conftest import MachineFactory
from tests.machine.test_why import why
from tests.machine.ways import make_way
from tests.support.way import start_api


@pytest.mark.parametrize("persist", ["false", "true"])
def test_a_shutdown_ends_sessions_in_order_and_is_named(
    fresh_machine: MachineFactory, persist: str
) -> None:
    machine = fresh_machine()
    start_api(machine)
    machine.linger("artac")
    way = make_way(machine, "system")
    way.configure(PERSIST_CLAUDE_SESSIONS=persist)
    machine.systemctl("enable", "artac")
    way.start()
    session = way.run("first")
    way.wait(session["id"], "idle")
    assert way.ask(session["id"], "second") == "echo: second"
    conversation = way.status(session["id"])["claude_session_id"]
    machine.reboot()
    machine.systemctl("is-active", "artac")
    end = way.status(session["id"])["end"]
    assert (end["reason"], end["lost"]) == ("host-shutdown", ""), json.dumps(end)
    told = why(way, session["id"], "host-shutdown")
    assert told.evidence["machine"].startswith("was started again since, at ")
    if persist == "true":
        assert "systemd told it that the machine was going down" in told.evidence["keeper"]
    found = machine.run(["find", ".claude/projects", "-name", f"{conversation}.jsonl"], "artac")
    transcript = machine.path(f"{machine.home('artac')}/{found.stdout.strip()}").read_text()
    assert "echo: second" in transcript
    assert all(json.loads(line) for line in transcript.splitlines())
    start_api(machine)
    assert way.run("third")["placement"] == ("scope" if persist == "true" else "service")


def test_a_power_cut_loses_no_record_and_the_end_is_lost(fresh_machine: MachineFactory) -> None:
    machine = fresh_machine()
    start_api(machine)
    machine.linger("artac")
    way = make_way(machine, "system")
    way.configure(PERSIST_CLAUDE_SESSIONS="true")
    machine.systemctl("enable", "artac")
    way.start()
    running, ended = way.run("running"), way.run("ended")
    way.wait(ended["id"], "idle")
    way.artac("stop", ended["id"])
    machine.power_cut()
    machine.start()
    machine.systemctl("start", "artac")
    assert way.status(running["id"])["end"]["reason"] == "lost"
    assert "machine went down" in way.status(running["id"])["end"]["sentence"]
    told = why(way, running["id"], "lost")
    assert told.evidence["guess"].startswith("perhaps it ended when the machine went down")
    assert "last output at" in told.evidence["time"]
    assert way.status(ended["id"])["end"]["reason"] == "stopped"
    assert not list(machine.path(way.state / "damaged").iterdir())
