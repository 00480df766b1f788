"""What a fork bomb in one session costs another, on a kernel that keeps TasksMax."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.installed import lay
from tests.support.prepare import VM_SUITE
from tests.support.vm import Vm
from tests.support.vm_disks import TESTS_INSIDE
from tests.support.way import Way

_ROUNDS = 15
_PROGRAM = Path(__file__).with_name("inside") / "trips.py"
_BOMB = "!doublefork sh -c 'while :; do sleep 1000 & done'"


def round_trips() -> dict[str, list[float]]:
    """Seconds of `artac send --wait` in a session beside one that runs a bomb, or is frozen."""
    with Vm.boot(VM_SUITE, lay) as vm:
        vm.linger("artac")
        artac = Way(vm, "artac", "artac.service", user_unit=False)
        artac.configure(CLAUDE_CODE_PATH=f"{TESTS_INSIDE}/tests/support/standin_claude.py")
        artac.start()
        bomber = artac.run("--limit", "tasks=256")["id"]
        other = artac.run()["id"]
        for session in (bomber, other):
            artac.wait(session, "idle")
        artac.artac("send", bomber, _BOMB)
        cgroup = artac.status(bomber)["cgroup"]
        # Not before it has hit its limit.
        vm.ns("sh", "-c", 'until grep -q "max [1-9]" "$0"/pids.events; do :; done', cgroup)
        words = ["python3", "-", other, f"{cgroup}/claude/cgroup.freeze", str(_ROUNDS)]
        done = vm.run(words, user="artac", input=_PROGRAM.read_text(), timeout=600)
        artac.artac("kill", "--all", "--yes")
    found: dict[str, list[float]] = json.loads(done.stdout)
    return found
