"""apt remove: the service goes, persistent sessions stay unless asked otherwise."""

from __future__ import annotations

from tests.packages.building import Built
from tests.packages.conftest import MachineFactory
from tests.packages.installation import apt, exists, install, is_active, service
from tests.support.backend import until


def test_persistent_sessions_run_on_and_are_found_by_the_next_installation(
    boot: MachineFactory, built: Built
) -> None:
    machine = boot()
    install(machine, built.deb)
    way = service(machine, PERSIST_CLAUDE_SESSIONS="true")
    kept, dies = way.run("--name", "kept", "hello"), way.run("--name", "dies", "hello")
    for session in (kept, dies):
        way.wait(session["id"], "idle")
    before, doomed = way.status("kept"), way.status("dies")
    told = apt(machine, "remove", "artac").stdout
    for session in (kept, dies):
        assert f"artac-session-{session['id']}.scope" in told
    assert "stop artac.slice" in told
    assert not is_active(machine, "artac.service")
    assert not exists(machine, "/usr/lib/python3/dist-packages/artac_daemon")
    assert way.is_alive(before["claude"]["pid"])
    # A keeper whose own files are gone still sees an end and writes it down.
    machine.ns("kill", "-KILL", str(doomed["claude"]["pid"]))
    until(lambda: not way.is_alive(doomed["keeper"]["pid"]), "the keeper is done")

    install(machine, built.deb)
    after = way.status("kept")
    assert (after["keeper"], after["claude"]) == (before["keeper"], before["claude"])
    assert way.ask("kept", "still there?") == "echo: still there?"
    end = way.status("dies")["end"]
    assert (end["reason"], end["signal"]) == ("killed", 9)


def test_sessions_are_ended_in_order_when_that_is_asked_for(
    boot: MachineFactory, built: Built
) -> None:
    machine = boot()
    install(machine, built.deb)
    way = service(machine, PERSIST_CLAUDE_SESSIONS="true")
    session = way.run("hello")
    way.wait(session["id"], "idle")

    refused = apt(machine, "remove", "artac", check=False, ARTAC_REMOVE_SESSIONS="kill")
    assert refused.returncode != 0
    assert "allowed are keep and end" in refused.stdout + refused.stderr
    assert is_active(machine, "artac.service")
    assert way.status(session["id"])["state"] == "idle"

    told = apt(machine, "remove", "artac", ARTAC_REMOVE_SESSIONS="end").stdout
    assert "keep running" not in told
    assert way.scopes() == [] and way.processes() == []
    install(machine, built.deb)
    assert way.status(session["id"])["end"]["reason"] == "stopped"


def test_sessions_end_even_when_no_daemon_answers(boot: MachineFactory, built: Built) -> None:
    machine = boot()
    install(machine, built.deb)
    way = service(machine, PERSIST_CLAUDE_SESSIONS="true")
    session = way.run("hello")
    way.wait(session["id"], "idle")
    way.stop()
    apt(machine, "remove", "artac", ARTAC_REMOVE_SESSIONS="end")
    assert way.scopes() == [] and way.processes() == []
    install(machine, built.deb)
    end = way.status(session["id"])["end"]
    assert end["lost"] == "" and end["exit_code"] is not None


def test_what_users_run_themselves_is_named_and_left_alone(
    boot: MachineFactory, built: Built
) -> None:
    machine = boot()
    install(machine, built.deb)
    machine.add_user("alice")
    machine.systemctl_user("alice", "start", "artac.service")
    told = apt(machine, "remove", "artac").stdout
    assert "users' own services" in told and "alice" in told
    machine.systemctl_user("alice", "is-active", "artac.service")
