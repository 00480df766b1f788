"""The packages, built once, and machines that they are installed on.

`bare` machines have nothing that artac needs; apt works on them without a network. `Machine.boot`
without a base gives one that has the dependencies and no artac.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.packages.building import Built, build_packages, missing_tools
from tests.support import bare_tree, cache, capability, claude_code
from tests.support.machine import Bind, Machine, unavailable_reason
from tests.support.tree import SUITES

TESTS_INSIDE = "/opt/artac-tests"
SOURCE_INSIDE = "/opt/artac-source"
PACKAGES_INSIDE = "/opt/packages"
STANDIN = f"{TESTS_INSIDE}/tests/support/standin_claude.py"

MachineFactory = Callable[..., Machine]


@pytest.fixture(scope="session", params=list(SUITES))
def suite(request: pytest.FixtureRequest) -> str:
    capability.require(unavailable_reason())
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def built() -> Iterator[Built]:
    """The packages of this source, and a next version of each."""
    capability.require(missing_tools())
    with tempfile.TemporaryDirectory(prefix="artac-packages-") as folder:
        yield build_packages(Path(folder))


@pytest.fixture
def boot(suite: str, built: Built) -> Iterator[MachineFactory]:
    """Boots a machine that has the dependencies; with bare=True one that has none."""
    with ExitStack() as machines:

        def start(bare: bool = False, claude: bool = False) -> Machine:
            binds: list[Bind] = [
                (built.folder, PACKAGES_INSIDE, True),
                (cache.PROJECT / "tests", f"{TESTS_INSIDE}/tests", True),
                (cache.PROJECT, SOURCE_INSIDE, True),
            ]
            if claude:
                binds.append(claude_code.bind())
            base = bare_tree.tree(suite) if bare else None
            return machines.enter_context(Machine.boot(suite, binds=binds, base=base))

        yield start


@pytest.fixture(scope="session")
def tracked() -> Iterator[Callable[[], str]]:
    """What git sees in the checkout, changed or new."""

    def status() -> str:
        command = ["git", "-c", f"safe.directory={cache.PROJECT}", "status", "--short"]
        return subprocess.run(
            command, cwd=cache.PROJECT, capture_output=True, text=True, check=True
        ).stdout

    yield status
