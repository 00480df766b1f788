"""Container machines with artac installed as a package installs it.

Inside: `claude` on PATH; the project's tests at /opt/artac-tests, from where
`python3 -m tests.support.loopback_api` runs; the user `artac` as the shipped
sysusers.d makes it, not lingering.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.machine.ways import api, system, users, way  # noqa: F401
from tests.support import cache, capability, claude_code, failure_journal
from tests.support.installed import lay, lay_claude
from tests.support.machine import Machine, unavailable_reason
from tests.support.tree import SUITES

TESTS_INSIDE = "/opt/artac-tests"

MachineFactory = Callable[[], Machine]


@pytest.fixture(scope="session", params=list(SUITES))
def suite(request: pytest.FixtureRequest) -> str:
    capability.require(unavailable_reason())
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def installed() -> Iterator[Path]:
    """What `make install` writes, as a folder to lay over the tree of a machine."""
    with tempfile.TemporaryDirectory(prefix="artac-installed-") as folder:
        layer = Path(folder)
        lay(layer)
        lay_claude(layer)
        yield layer


def _boot(suite: str, installed: Path) -> Machine:
    tests = (cache.PROJECT / "tests", f"{TESTS_INSIDE}/tests", True)
    machine = Machine.boot(suite, binds=[claude_code.bind(), tests], layers=[installed])
    try:
        # As Debian does when it configures a package: by the Python that will run it.
        machine.ns(
            "python3", "-m", "compileall", "-q", "/usr/lib/python3/dist-packages/artac_daemon"
        )
    except BaseException:
        machine.close()
        raise
    return machine


@pytest.fixture(scope="session")
def machine(suite: str, installed: Path) -> Iterator[Machine]:
    """Shared by all tests of a suite: leave it as you found it."""
    with _boot(suite, installed) as machine:
        yield machine


@pytest.fixture
def fresh_machine(suite: str, installed: Path) -> Iterator[MachineFactory]:
    """Each call boots another machine, for what reboots or breaks it."""
    with ExitStack() as machines:
        yield lambda: machines.enter_context(_boot(suite, installed))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With a failure comes what the machine's journal had to say meanwhile."""
    report = yield
    machine = getattr(item, "funcargs", {}).get("machine")
    if report.failed and isinstance(machine, Machine):
        failure_journal.add(report, call, machine)
    return report
