"""A container machine with a real systemd, booted in under a second from a cached tree.

`python3 -m tests.support.machine shell SUITE` boots one and gives a root shell in it.
"""

from __future__ import annotations

import atexit
import os
import secrets
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from tests.support import leftovers, machine_command, machine_path, nspawn
from tests.support.machine_command import CommandFailed, Completed
from tests.support.machine_journal import Entry
from tests.support.nspawn import CLEAN_ENVIRONMENT, REBOOT, Bind, unavailable_reason
from tests.support.systemd_host import SystemdHost
from tests.support.tree import tree

__all__ = ["Bind", "CommandFailed", "Completed", "Entry", "Machine", "unavailable_reason"]


class Machine(SystemdHost):
    """Use as a context manager: what the machine has on the host goes at its end."""

    @classmethod
    def boot(
        cls,
        suite: str,
        name: str | None = None,
        binds: Sequence[Bind] = (),
        network: bool = False,
        layers: Sequence[Path] = (),
        timeout: float = 60,
        base: Path | None = None,
    ) -> Machine:
        """`layers` are folders laid over the tree (or another `base`), the first one on top."""
        machine = cls(suite, name or suite, binds, network, (*layers, base or tree(suite)))
        try:
            machine.start(timeout)
        except BaseException:
            machine.close()
            raise
        return machine

    def __init__(
        self, suite: str, name: str, binds: Sequence[Bind], network: bool, layers: Sequence[Path]
    ) -> None:
        self.suite = suite
        self.name = name
        self._binds = binds
        self._network = network
        self._layers = layers
        self._boot: nspawn.Boot | None = None
        self._run = leftovers.claim(f"{name}-{secrets.token_hex(4)}")
        atexit.register(self.close)

    def __enter__(self) -> Machine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # -- life ---------------------------------------------------------------------

    @property
    def leader(self) -> int:
        """The machine's PID 1, as the host sees it."""
        if self._boot is None:
            raise RuntimeError(f"{self.name} is off")
        return self._boot.leader

    @property
    def cgroup(self) -> Path:
        """The host's side of the machine's cgroups; its root is `payload` below this."""
        return self._run.cgroup.path

    def start(self, timeout: float = 60) -> None:
        """Boot; after `poweroff` or `power_cut`, on the same disk."""
        if self._boot is not None:
            raise RuntimeError(f"{self.name} is on already")
        # A cgroup once killed by cgroup.kill kills what systemd spawns into it later.
        self._run.cgroup.remove()
        self._run.cgroup.create()
        self._boot = nspawn.start(
            self._run, self.name, self._layers, self._binds, self._network, timeout
        )

    def poweroff(self) -> None:
        self.systemctl("poweroff", check=False)
        self._wait_off(0)

    def reboot(self, timeout: float = 60) -> None:
        self.systemctl("reboot", check=False)
        self._wait_off(REBOOT)
        self.start(timeout)

    def power_cut(self) -> None:
        """End everything at once. The page cache of the host is not lost by this."""
        self._end_at_once()

    def close(self) -> None:
        if not self._run.folder.exists():
            return
        atexit.unregister(self.close)
        if self._boot is not None:
            self._end_at_once()
        self._run.remove()

    def _end_at_once(self) -> None:
        assert self._boot is not None
        # nspawn goes after its machine, whose zombies it reaps; the cgroup is the net.
        os.kill(self._boot.leader, signal.SIGKILL)
        try:
            self._boot.process.wait(10)
        except subprocess.TimeoutExpired:
            self._run.cgroup.kill()
            self._boot.process.wait()
        self._run.cgroup.wait_empty(30)
        self._boot = None

    def _wait_off(self, expected: int, timeout: float = 150) -> None:
        assert self._boot is not None
        ended = self._boot.process.wait(timeout)
        self._run.cgroup.wait_empty(30)
        self._boot = None
        if ended != expected:
            raise RuntimeError(f"{self.name}: nspawn ended with {ended}, not {expected}")

    # -- commands -----------------------------------------------------------------

    @contextmanager
    def background(
        self,
        argv: Sequence[str],
        user: str | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str = "~",
        login: bool = False,
    ) -> Iterator[subprocess.Popen[bytes]]:
        """As `run`, with pipes, while the test does other things; killed at the end."""
        unit, command = self._unit(argv, user, env, cwd, login)
        with subprocess.Popen(
            machine_command.inside(self.leader, command),
            env=CLEAN_ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            try:
                yield process
            finally:
                if self._boot is not None and process.poll() is None:
                    self._end(unit)

    def ns(
        self, *argv: str, input: str | None = None, check: bool = True, timeout: float = 60
    ) -> Completed:
        # Outside the machine's cgroups: what nsenter starts stays where the host has it.
        return machine_command.call(self.leader, argv, input, check, timeout)

    # -- files --------------------------------------------------------------------

    def path(self, inside: str | os.PathLike[str]) -> Path:
        """Where the host finds a path of the machine's, its symbolic links followed."""
        return machine_path.resolve(Path(f"/proc/{self.leader}/root"), inside)

    def read_bytes(self, path: str) -> bytes:
        return self.path(path).read_bytes()


if __name__ == "__main__":
    from tests.support import machine_shell

    machine_shell.main()
