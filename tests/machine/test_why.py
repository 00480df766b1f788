"""Each end that systemd, a person or a fault brings about: what artac and the journal say of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.backend import until
from tests.support.way import Way


@dataclass
class Told:
    sentence: str
    evidence: dict[str, str]


def why(way: Way, session_id: str, reason: str) -> Told:
    """What `artac why` tells, once the list of sessions has been seen to give that reason, too."""
    found: dict[str, Any] = json.loads(way.artac("why", "--json", session_id).stdout)
    assert found["verdict"]["reason"] == reason
    listed = json.loads(way.artac("ls", "--all", "--json").stdout)
    assert reason in [row["end"]["reason"] for row in listed if row["id"] == session_id]
    evidence = {item["what"]: item["said"] for item in found["evidence"]}
    return Told(found["verdict"]["sentence"], evidence)


def in_journal(way: Way, session_id: str) -> list[str]:
    """The reasons that entries on the session's end give."""
    entries = way.machine.journal(f"ARTAC_SESSION={session_id}", "ARTAC_EVENT=ended")
    return [entry.get("ARTAC_REASON", "") for entry in entries]


def idle(way: Way, name: str) -> str:
    session = way.run("--name", name, "hello")
    way.wait(session["id"], "idle")
    return str(session["id"])


def signal(way: Way, session_id: str, name: str, what: str = "claude") -> None:
    way.machine.ns("kill", f"-{name}", str(way.status(session_id)[what]["pid"]))


def test_ends_in_the_services_cgroup(system: Way) -> None:
    system.configure()
    system.start()
    names = ("done", "failed", "stopped", "killed", "shot", "lost", "crashed")
    ids = {name: idle(system, name) for name in names}
    signal(system, ids["done"], "INT")
    signal(system, ids["failed"], "TERM")
    signal(system, ids["shot"], "KILL")
    signal(system, ids["lost"], "KILL", "keeper")
    system.artac("stop", "stopped")
    system.artac("kill", "killed")
    for name in ("done", "failed", "shot", "lost"):
        system.wait(ids[name], "ended")
    assert why(system, ids["done"], "completed").evidence["claude"] == "exited with code 0"
    assert "SIGTERM" in why(system, ids["failed"], "failed").evidence["guess"]
    assert "(stop) at" in why(system, ids["stopped"], "stopped").evidence["asked"]
    assert "(kill) at" in why(system, ids["killed"], "killed").evidence["asked"]
    shot = why(system, ids["shot"], "killed")
    assert "SIGKILL" in shot.sentence and "outside" in shot.sentence
    assert shot.evidence["cpu"].endswith("s of CPU time, in all")
    assert shot.evidence["unit"].startswith("artac.service is now active (running)")
    assert why(system, ids["lost"], "lost").evidence["keeper"].startswith("ended (signal SIGKILL)")
    expected = {
        "done": "completed", "failed": "failed", "stopped": "stopped", "killed": "killed",
        "shot": "killed", "lost": "lost",
    }  # fmt: skip
    assert {name: in_journal(system, ids[name]) for name in expected} == {
        name: [reason] for name, reason in expected.items()
    }
    system.crash()
    crashed = why(system, ids["crashed"], "backend-stopped")
    assert "was sent SIGTERM" in crashed.evidence["keeper"]
    assert "restarted 1 times" in crashed.evidence["unit"]
    drained = idle(system, "drained")
    system.stop()
    assert in_journal(system, drained) == ["backend-stopped"]
    system.start()
    assert "(drain) at" in why(system, drained, "backend-stopped").evidence["asked"]


@pytest.fixture
def persistent(system: Way) -> Way:
    system.machine.linger("artac")
    system.configure(PERSIST_CLAUDE_SESSIONS="true")
    system.start()
    return system


def test_ends_in_scopes(persistent: Way) -> None:
    ids = {name: idle(persistent, name) for name in ("unit", "meanwhile", "lost")}
    scope = f"artac-session-{ids['unit']}.scope"
    persistent.machine.systemctl_user("artac", "stop", scope)
    persistent.wait(ids["unit"], "ended")
    told = why(persistent, ids["unit"], "stopped")
    assert "was sent SIGTERM" in told.evidence["keeper"]
    assert told.evidence["unit"] == f"{scope} is gone, and with it what systemd knew of its result"
    assert in_journal(persistent, ids["unit"]) == ["stopped"]
    live = json.loads(persistent.artac("why", "--json", ids["lost"]).stdout)
    assert "not ended" in live["verdict"]["sentence"]
    unit = next(item["said"] for item in live["evidence"] if item["what"] == "unit")
    assert unit == f"artac-session-{ids['lost']}.scope is now active (running), result success"
    claude = persistent.status(ids["meanwhile"])["claude"]["pid"]
    keeper = persistent.status(ids["lost"])["keeper"]["pid"]
    persistent.stop()
    persistent.machine.ns("kill", "-INT", str(claude))
    persistent.machine.ns("kill", "-KILL", str(keeper))
    gone = f"artac-session-{ids['meanwhile']}.scope"
    until(lambda: gone not in persistent.scopes(), "the scope is gone")
    entries = persistent.machine.journal(f"ARTAC_SESSION={ids['meanwhile']}", "ARTAC_EVENT=ended")
    assert [entry["ARTAC_EXIT_CODE"] for entry in entries] == ["0"]
    persistent.start()
    assert "guess" not in why(persistent, ids["meanwhile"], "completed").evidence
    lost = why(persistent, ids["lost"], "lost")
    assert "how it ended is not known" in lost.evidence["keeper"]
    assert in_journal(persistent, ids["lost"]) == ["lost"]


def test_the_journal_is_read_with_the_rights_of_who_asks(persistent: Way) -> None:
    session = idle(persistent, "api")
    scope = f"artac-session-{session}.scope"
    # Anybody may log with any field: what another account says of the session does not count.
    forged = "import sys; sys.path.append('/usr/lib/python3/dist-packages')\n"
    forged += "from artac_daemon.keeper import journal\n"
    forged += f"assert journal.send({{'MESSAGE': 'forged', 'ARTAC_SESSION': '{session}'}})"
    persistent.machine.run(["python3", "-c", forged], user="nobody", cwd="/")
    persistent.machine.wait_journal(f"ARTAC_SESSION={session}", contains="forged")
    persistent.artac("stop", session)
    until(lambda: scope not in persistent.scopes(), "the scope is gone")
    persistent.machine.ns("journalctl", "--sync")
    shown = persistent.machine.ns("artac", "why", session).stdout
    journal = shown.partition("\njournal:\n")[2]
    assert "session started" in journal and "session ended: stopped" in journal
    assert "stop asked by" in journal and "forged" not in journal and "yours to read" not in journal
    of_account = persistent.artac("why", session).stdout.partition("\njournal:\n")[2]
    assert "systemd-journal or adm" in of_account and "session ended" not in of_account
    assert shown.startswith("stopped by artac (uid ")
