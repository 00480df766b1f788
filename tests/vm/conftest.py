"""A virtual machine with artac installed as a package installs it, and the stand-in for claude."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.packages.building import make, missing_tools
from tests.support import capability, claude_code, failure_journal
from tests.support.installed import lay, lay_claude
from tests.support.prepare import VM_SUITE
from tests.support.vm import Vm, unavailable_reason
from tests.support.vm_disks import TESTS_INSIDE
from tests.support.way import Way

_DEB = "/opt/artac/artac.deb"

STANDIN = f"{TESTS_INSIDE}/tests/support/standin_claude.py"
"""What CLAUDE_CODE_PATH is set to where a test does without the real one."""


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
def packaged_vm() -> Iterator[Vm]:
    """Another machine, with artac as apt installs it; for what brings a machine down."""
    capability.require(unavailable_reason() or missing_tools())
    with tempfile.TemporaryDirectory(prefix="artac-deb-") as folder:
        deb = Path(folder, make("deb", Path(folder)))

        def lay_deb(layer: Path) -> None:
            inside = layer / _DEB.lstrip("/")
            inside.parent.mkdir(parents=True)
            shutil.copy(deb, inside)

        with Vm.boot(VM_SUITE, lay_deb) as vm:
            install = ["apt-get", "install", "--yes", "--no-install-recommends", _DEB]
            vm.run(["env", "DEBIAN_FRONTEND=noninteractive", *install], timeout=600)
            yield vm


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
        for name in ("vm", "packaged_vm"):
            if name in used:
                failure_journal.add(report, call, used[name])
    return report
