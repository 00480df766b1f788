"""What an orderly reboot and a true power cut leave of sessions, and what is told of them."""

from __future__ import annotations

import json

import pytest

from tests.support.vm import Vm
from tests.support.way import Way
from tests.vm.conftest import STANDIN

pytestmark = pytest.mark.timeout(300)


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
