"""The machine that is measured: artac as its system service, persisting, with stand-in sessions."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support import cache
from tests.support.installed import lay
from tests.support.machine import Machine
from tests.support.way import Way

INSIDE = "/opt/artac-bench"
CLAUDE = "/usr/local/lib/artac-bench/claude"
# The stand-in is Python, too. By an interpreter file of its own it shares no page with the keepers,
# as Claude Code does not; else it would make their memory look smaller than it is.
PYTHON = "/usr/local/lib/artac-bench/python3"

_LAUNCH = f"""\
#!/bin/sh
exec {PYTHON} -I -S {INSIDE}/tests/support/standin_claude.py "$@"
"""

SETTINGS = {
    "PERSIST_CLAUDE_SESSIONS": "true",
    "CLAUDE_CODE_PATH": CLAUDE,
    "ARTAC_MAX_SESSIONS": "1000",
    "ARTAC_OUTPUT_MAX": "4G",
}


class Stand:
    """What the figures are taken from."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        machine.linger("artac")
        self.artac = Way(machine, "artac", "artac.service", user_unit=False)
        self.artac.configure(**SETTINGS)
        self.artac.start()

    def inside(self, module: str, *argv: object, timeout: float = 300) -> dict[str, Any]:
        """What a module of `benchmarks.inside` prints, run as the service's account."""
        words = ["/usr/bin/python3", "-m", f"benchmarks.inside.{module}", *map(str, argv)]
        done = self.machine.run(words, user="artac", cwd=INSIDE, timeout=timeout)
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def sessions(self, number: int) -> list[int]:
        """Have that many idle sessions; the pids of their keepers, as the machine has them."""
        keepers: list[int] = self.inside("crowd", number)["keepers"]
        return keepers

    def restart(self) -> tuple[float, float]:
        """Stop artacd and start it.

        Seconds that `systemctl start` took, and those of them from artacd's exec to READY=1.
        """
        self.artac.stop()
        self.machine.systemctl("reset-failed", self.artac.unit, check=False)  # its start limit
        started = time.perf_counter()
        self.artac.start()
        taken = time.perf_counter() - started
        execed = int(self.artac.show("ExecMainStartTimestampMonotonic"))
        ready = int(self.artac.show("ActiveEnterTimestampMonotonic"))
        return taken, (ready - execed) / 1e6

    def running(self) -> int:
        """How many sessions artacd says it has."""
        return int(self.artac.show("StatusText").split()[0])

    # Its processes

    def pss(self, pid: int) -> int:
        """Bytes of memory that are a process's own, and its share of what it shares."""
        rollup = self.machine.path(f"/proc/{pid}/smaps_rollup").read_text()
        row = next(line for line in rollup.splitlines() if line.startswith("Pss:"))
        return int(row.split()[1]) * 1024

    def cpu(self, pid: int) -> float:
        """Seconds that a process's threads have run, exact where ticks are 10 ms each."""
        tasks = self.machine.path(f"/proc/{pid}/task")
        times = [int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir()]
        return sum(times) / 1e9


@contextmanager
def stand(suite: str) -> Iterator[Stand]:
    """Boot a machine with artac installed as a package would, and start it."""
    with tempfile.TemporaryDirectory(prefix="artac-bench-") as folder:
        layer = Path(folder)
        lay(layer)
        claude = layer / CLAUDE.lstrip("/")
        claude.parent.mkdir(parents=True)
        claude.write_text(_LAUNCH)
        claude.chmod(0o755)
        binds = [
            (cache.PROJECT / name, f"{INSIDE}/{name}", True) for name in ("tests", "benchmarks")
        ]
        with Machine.boot(suite, name=f"bench-{suite}", binds=binds, layers=[layer]) as machine:
            machine.ns("cp", "/usr/bin/python3", PYTHON)
            installed = "/usr/lib/python3/dist-packages/artac_daemon"
            machine.ns("/usr/bin/python3", "-m", "compileall", "-q", installed)
            yield Stand(machine)
