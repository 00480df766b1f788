"""apt upgrade: which sessions go on, which end and how, and whose configuration counts."""

from __future__ import annotations

from contextlib import closing

from tests.packages.building import NEXT, Built
from tests.packages.conftest import MachineFactory
from tests.packages.installation import install, service
from tests.support import claude_code
from tests.support.machine_terminal import MachineTerminal
from tests.support.way import start_api

_ALICES_PID = ("show", "--value", "--property=MainPID", "artac@alice.service")


def test_persistent_sessions_are_taken_over_and_the_others_end_in_order(
    boot: MachineFactory, built: Built
) -> None:
    machine = boot(claude=True)
    start_api(machine)
    install(machine, built.deb)
    way = service(machine, CLAUDE_CODE_PATH=claude_code.INSIDE)
    ends, stays = way.run("--name", "ends", "one"), way.run("--name", "stays", "a blue door")
    for session in (ends, stays):
        way.wait(session["id"], "idle")
    way.artac("persist", "stays", "on")
    before = way.status("stays")
    edited = machine.path("/etc/artac/artac.yaml")
    edited.write_text(edited.read_text() + "max_sessions: 7\n")

    install(machine, built.next_deb)

    assert NEXT in way.artac("--version").stdout
    after = way.status("stays")
    assert (after["keeper"], after["claude"]) == (before["keeper"], before["claude"])
    assert "blue door" in way.ask("stays", "recall")
    end = way.status(ends["id"])["end"]
    assert end["reason"] == "backend-stopped"
    assert end["exit_code"] is not None, "Claude ended by itself, it was not killed"
    # What the administrator has changed stays, what nobody touched is the new one.
    assert "max_sessions: 7" in edited.read_text() and NEXT not in edited.read_text()
    assert NEXT in machine.path("/etc/artac/artac.yaml.dpkg-dist").read_text()
    assert NEXT in machine.path("/etc/artac/artac.yaml.d/10-system.yaml").read_text()
    assert "7" in way.artac("config").stdout
    # The keeper is the old version's, and this is its last work: no file of it is there any more.
    way.artac("stop", "stays")
    assert way.status("stays")["end"]["reason"] == "stopped"


def test_who_is_attached_stays_so(boot: MachineFactory, built: Built) -> None:
    machine = boot()
    install(machine, built.deb)
    way = service(machine, PERSIST_CLAUDE_SESSIONS="true")
    command = ["artac", "run", "-t", "--name", "api"]
    with closing(MachineTerminal(machine, way.account, command, way.work)) as person:
        person.shows(">")
        person.press("before\r")
        person.shows("you said: before")
        install(machine, built.next_deb)
        assert NEXT in way.artac("--version").stdout
        person.press("after\r")
        person.shows("you said: after")
        assert person.detach() == 0
        person.assert_restored()
    # The keeper is still the old one, and the command is the new one.
    command = ["artac", "attach", "api"]
    with closing(MachineTerminal(machine, way.account, command, way.work)) as again:
        again.shows("you said: after")
        again.press("again\r")
        again.shows("you said: again")
        assert again.detach() == 0


def test_a_restart_can_be_put_off(boot: MachineFactory, built: Built) -> None:
    machine = boot()
    install(machine, built.deb)
    way = service(machine)
    session = way.run("hello")
    way.wait(session["id"], "idle")
    machine.add_user("alice")
    machine.systemctl("enable", "--now", "artac@alice.service")
    alices = machine.systemctl(*_ALICES_PID).stdout
    pid = way.main_pid()
    told = install(machine, built.next_deb, ARTAC_NO_RESTART="1").stdout
    assert "systemctl restart artac" in told
    assert way.main_pid() == pid and machine.systemctl(*_ALICES_PID).stdout == alices
    assert way.ask(session["id"], "still there?") == "echo: still there?"
    # Not put off again: both are restarted.
    install(machine, built.next_deb)
    machine.systemctl("is-active", "artac@alice.service")
    assert way.main_pid() != pid and machine.systemctl(*_ALICES_PID).stdout != alices
    assert way.status(session["id"])["end"]["reason"] == "backend-stopped"


def test_an_upgrade_leaves_what_an_administrator_has_switched_off(
    boot: MachineFactory, built: Built
) -> None:
    machine = boot()
    install(machine, built.deb)
    machine.systemctl("disable", "--now", "artac.service")
    machine.run(["loginctl", "disable-linger", "artac"])
    install(machine, built.next_deb)
    assert machine.systemctl("is-enabled", "artac", check=False).stdout.strip() == "disabled"
    assert machine.systemctl("is-active", "artac", check=False).stdout.strip() == "inactive"
    assert not machine.path("/var/lib/systemd/linger/artac").exists()
