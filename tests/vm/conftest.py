"""A virtual machine with artac installed as a package installs it, and the stand-in for claude."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support import capability, claude_code, failure_journal
from tests.support.installed import lay, lay_claude
from tests.support.prepare import VM_SUITE
from tests.support.vm import Vm, unavailable_reason
from tests.support.vm_disks import TESTS_INSIDE
from tests.support.way import Way

STANDIN = f"{TESTS_INSIDE}/tests/support/standin_claude.py"
"""What CLAUDE_CODE_PATH is set to where a test does without the real one."""


class VmFactory:
    """Each call boots another machine, for what brings it down or breaks it."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.booted: list[Vm] = []

    def __call__(self) -> Vm:
        self.booted.append(self._stack.enter_context(Vm.boot(VM_SUITE, _lay)))
        return self.booted[-1]


def _lay(layer: Path) -> None:
    lay(layer)
    lay_claude(layer)


@pytest.fixture(scope="session")
def vm() -> Iterator[Vm]:
    """Shared by all tests, booting takes long: leave it as you found it."""
    capability.require(unavailable_reason())
    with Vm.boot(VM_SUITE, _lay, claude=True) as vm:
        yield vm


@pytest.fixture(scope="module")
def fresh_vm() -> Iterator[VmFactory]:
    """Its machines live as long as the tests of the module that asks."""
    capability.require(unavailable_reason())
    with ExitStack() as stack:
        yield VmFactory(stack)


@pytest.fixture
def real_claude(vm: Vm) -> str:
    """The path of the real Claude Code in the machine."""
    vm.mount_claude()
    return claude_code.INSIDE


@pytest.fixture
def system(vm: Vm) -> Iterator[Way]:
    """The machine's own artac, its account lingering; ended and emptied afterwards."""
    vm.linger("artac")
    way = Way(vm, "artac", "artac.service", user_unit=False)
    yield way
    way.clean_up()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With a failure come the journals of the machines."""
    report = yield
    if report.failed:
        used = getattr(item, "funcargs", {})
        shared = [used["vm"]] if "vm" in used else []
        factory = used.get("fresh_vm")
        for vm in [*shared, *(factory.booted if factory else [])]:
            failure_journal.add(report, call, vm)
    return report
