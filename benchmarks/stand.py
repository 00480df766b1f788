"""The machine that is measured: artac as its system service, persisting, with stand-in sessions."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support import cache, claude_code
from tests.support.installed import lay, lay_claude
from tests.support.machine import Machine
from tests.support.tree import tree
from tests.support.way import CLAUDE_ENVIRONMENT, Way, start_api

INSIDE = "/opt/artac-tests"
CLAUDE = "/usr/local/lib/artac-bench/claude"
# The stand-in is Python, too. By an interpreter file of its own it shares no page with the keepers,
# as Claude Code does not; else it would make their memory look smaller than it is.
PYTHON = "/usr/local/lib/artac-bench/python3"

# What a session runs: the stand-in, or what its environment asks for.
_LAUNCH = f"""\
#!/bin/sh
case ${{BENCH_PROGRAM:-}} in
"") exec {PYTHON} -I -S {INSIDE}/tests/support/standin_claude.py "$@";;
claude) exec {claude_code.INSIDE} "$@";;
*) exec {PYTHON} -I -S {INSIDE}/benchmarks/inside/program.py $BENCH_PROGRAM;;
esac
"""

# What terminals are compared with; in a tree of their own, no test needs them.
_PEERS = ("dtach", "tmux")

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
        self._offline = False
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

    def offline_claude(self) -> None:
        """Let the real Claude Code start in there without a question, against the loopback API."""
        if not self._offline:
            self._offline = True
            start_api(self.machine)
            self.inside("home", json.dumps(CLAUDE_ENVIRONMENT))

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
        lay_claude(layer)
        claude = layer / CLAUDE.lstrip("/")
        claude.parent.mkdir(parents=True)
        claude.write_text(_LAUNCH)
        claude.chmod(0o755)
        binds = [
            claude_code.bind(),
            *((cache.PROJECT / name, f"{INSIDE}/{name}", True) for name in ("tests", "benchmarks")),
        ]
        with Machine.boot(
            suite, f"bench-{suite}", binds, layers=[layer], base=tree(suite, *_PEERS)
        ) as machine:
            machine.ns("cp", "/usr/bin/python3", PYTHON)
            installed = "/usr/lib/python3/dist-packages/artac_daemon"
            machine.ns("/usr/bin/python3", "-m", "compileall", "-q", installed)
            yield Stand(machine)
