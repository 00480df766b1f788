"""What an orderly reboot and a true power cut leave of sessions, and what is told of them."""

from __future__ import annotations

import json

import pytest

from tests.support.backend import until
from tests.support.vm import Vm
from tests.support.way import Way
from tests.vm.conftest import STANDIN

pytestmark = pytest.mark.timeout(900)


Both = tuple[Way, Way]


@pytest.fixture(scope="module")
def both(packaged_vm: Vm) -> Both:
    """Running and enabled: the machine's artac, persisting, and alice's, not.

    Installed by apt; lingering and the machine's own service are the package's doing.
    """
    vm = packaged_vm
    vm.systemctl("is-enabled", "artac.service")
    vm.add_user("alice", linger=False)
    persisting = Way(vm, "artac", "artac.service", user_unit=False)
    ending = Way(vm, "alice", "artac@alice.service", user_unit=False)
    for way, persist in ((persisting, "true"), (ending, "false")):
        way.configure(CLAUDE_CODE_PATH=STANDIN, PERSIST_CLAUDE_SESSIONS=persist)
        vm.systemctl("enable", way.unit)
        vm.systemctl("restart", way.unit)
    return persisting, ending


def running(way: Way) -> str:
    session: str = way.run("first")["id"]
    way.wait(session, "idle")
    return session


def test_a_reboot_ends_sessions_in_order_and_is_named(both: Both) -> None:
    begun = [(way, running(way)) for way in both]
    vm: Vm = both[0].machine
    vm.reboot()
    for way, session in begun:
        vm.systemctl("is-active", way.unit)
        end = way.status(session)["end"]
        assert (end["reason"], end["lost"]) == ("host-shutdown", ""), end["sentence"]
        # It had its time: neither was killed, and what it said last is there whole.
        assert end["exit_code"] is not None, end
        assert all(json.loads(line) for line in way.output(session).splitlines())
    vm.systemctl("is-active", f"user@{vm.uid('artac')}.service")
    assert [way.run("again")["placement"] for way in both] == ["scope", "service"]


def test_after_a_reboot_those_come_back_that_are_to_and_did_not_end_on_purpose(both: Both) -> None:
    vm: Vm = both[0].machine
    began: dict[Way, dict[str, str]] = {}
    for way in both:
        began[way] = {}
        for name, policy in (("back", "on-boot"), ("ended", "on-boot"), ("plain", "no")):
            started = way.run("--name", name, "--restart", policy, f"remember {name}")
            began[way][name] = started["id"]
            way.wait(name, "idle")
        way.artac("stop", "ended")
        # Among many it is one after the other, and a stop of the service alone brings none back.
        vm.systemctl("restart", way.unit)
    persisting, ending = both
    started = ending.run("--name", "back", "--restart", "on-boot", "remember back")
    began[ending]["back"] = started["id"]
    ending.wait("back", "idle")
    vm.reboot()
    for way in both:
        vm.systemctl("is-active", way.unit)
        old = began[way]["back"]
        new = until(lambda way=way, old=old: way.status(old)["resumed_as"], "it is back", 150)
        assert way.status(old)["end"]["reason"] == "host-shutdown"
        assert way.status(new)["name"] == "back"
        assert "remember back" in way.ask("back", "recall")
        for name in ("ended", "plain"):
            assert way.status(began[way][name])["resumed_as"] is None
        live = json.loads(way.artac("ls", "--json").stdout)
        listed = live["sessions"] if isinstance(live, dict) else live
        assert [session["name"] for session in listed] == ["back"]
    assert persisting.status("back")["placement"] == "scope"


def test_a_power_cut_loses_no_record_and_the_ends_are_lost(both: Both) -> None:
    persisting, _ = both
    vm: Vm = persisting.machine
    begun = [(way, running(way)) for way in both]
    vm.ns("journalctl", "--sync")
    ended = persisting.run("soon over")["id"]
    persisting.artac("stop", ended)
    # Nothing is synced here: whatever was told has to be on the disk.
    vm.power_cut()
    vm.start()
    for way, session in begun:
        vm.systemctl("is-active", way.unit)
        end = way.status(session)["end"]
        assert end["reason"] == "lost"
        assert "machine went down" in end["sentence"]
    assert persisting.status(ended)["end"]["reason"] == "stopped"
    for way in both:
        assert vm.ns("ls", str(way.state / "damaged")).stdout == ""
    for _, session in begun:
        told = vm.journal(f"ARTAC_SESSION={session}", "ARTAC_EVENT=started")
        assert len(told) == 1
    verified = vm.ns("journalctl", "--verify", check=False)
    assert "FAIL" not in verified.stdout + verified.stderr
