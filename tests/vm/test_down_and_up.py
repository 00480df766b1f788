"""What an orderly reboot and a true power cut leave of sessions, and what is told of them."""

from __future__ import annotations

import pytest

from tests.support.vm import Vm
from tests.support.way import Way
from tests.vm.conftest import STANDIN, VmFactory

pytestmark = pytest.mark.timeout(300)


def both_ways(vm: Vm) -> tuple[Way, Way]:
    """Running and enabled: the machine's artac, persisting, and alice's, not."""
    vm.linger("artac")
    vm.add_user("alice", linger=False)
    persisting = Way(vm, "artac", "artac.service", user_unit=False)
    ending = Way(vm, "alice", "artac@alice.service", user_unit=False)
    persisting.configure(CLAUDE_CODE_PATH=STANDIN, PERSIST_CLAUDE_SESSIONS="true")
    ending.configure(CLAUDE_CODE_PATH=STANDIN, PERSIST_CLAUDE_SESSIONS="false")
    for way in (persisting, ending):
        vm.systemctl("enable", "--now", way.unit)
    return persisting, ending


def test_a_reboot_ends_sessions_in_order_and_is_named(fresh_vm: VmFactory) -> None:
    vm = fresh_vm()
    persisting, ending = both_ways(vm)
    reasons = {}
    for way, reason in ((persisting, "host-shutdown"), (ending, "backend-stopped")):
        session = way.run("first")
        way.wait(session["id"], "idle")
        reasons[way, session["id"]] = reason
    vm.reboot()
    for (way, session), reason in reasons.items():
        vm.systemctl("is-active", way.unit)
        end = way.status(session)["end"]
        assert (end["reason"], end["lost"]) == (reason, "")
    assert persisting.run("again")["placement"] == "scope"
    assert ending.run("again")["placement"] == "service"


def test_a_power_cut_loses_no_record_and_the_ends_are_lost(fresh_vm: VmFactory) -> None:
    vm = fresh_vm()
    persisting, ending = both_ways(vm)
    running = [(way, way.run("first")["id"]) for way in (persisting, ending)]
    for way, session in running:
        way.wait(session, "idle")
    vm.ns("journalctl", "--sync")
    ended = persisting.run("soon over")["id"]
    persisting.artac("stop", ended)
    # Nothing is synced here: whatever was told has to be on the disk.
    vm.power_cut()
    vm.start()
    for way, session in running:
        vm.systemctl("is-active", way.unit)
        end = way.status(session)["end"]
        assert end["reason"] == "lost"
        assert "machine went down" in end["sentence"]
    assert persisting.status(ended)["end"]["reason"] == "stopped"
    for way in (persisting, ending):
        assert vm.ns("ls", str(way.state / "damaged")).stdout == ""
    for _, session in running:
        told = vm.journal(f"ARTAC_SESSION={session}", "ARTAC_EVENT=started")
        assert len(told) == 1
    verified = vm.ns("journalctl", "--verify", check=False)
    assert "FAIL" not in verified.stdout + verified.stderr
