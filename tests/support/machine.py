"""A container machine with a real systemd, booted in under a second from a cached tree.

`python3 -m tests.support.machine shell SUITE` boots one and gives a root shell in it.
"""

from __future__ import annotations

import atexit
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from tests.support import leftovers, machine_command, machine_journal, machine_path, nspawn
from tests.support.machine_command import CommandFailed, Completed
from tests.support.machine_journal import Entry
from tests.support.nspawn import CLEAN_ENVIRONMENT, REBOOT, Bind, unavailable_reason
from tests.support.tree import tree

__all__ = ["Bind", "CommandFailed", "Completed", "Entry", "Machine", "unavailable_reason"]


class Machine:
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

    def run(
        self,
        argv: Sequence[str],
        user: str | None = None,
        env: Mapping[str, str] | None = None,
        input: str | None = None,
        check: bool = True,
        timeout: float = 60,
        cwd: str = "~",
        login: bool = False,
    ) -> Completed:
        """Run as a unit of its own in the machine's system.slice.

        What the command leaves in the background ends with it. A command that dies of
        a signal gives 255, one that does not exist 1.
        """
        unit, command = self._unit(argv, user, env, cwd, login)
        try:
            return machine_command.call(self.leader, command, input, check, timeout)
        except subprocess.TimeoutExpired:
            self._end(unit)
            raise

    def login(
        self,
        user: str,
        argv: Sequence[str],
        env: Mapping[str, str] | None = None,
        input: str | None = None,
        check: bool = True,
        timeout: float = 60,
    ) -> Completed:
        """Run in a logind session of the user's, which ends with the command."""
        return self.run(argv, user, env, input, check, timeout, login=True)

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
        """Run outside the machine's cgroups: fast, for systemctl, journalctl and files.

        Not for what logind or a cgroup matters to; that is what `run` is for.
        """
        return machine_command.call(self.leader, argv, input, check, timeout)

    def systemctl(self, *argv: str, check: bool = True, timeout: float = 150) -> Completed:
        return self.ns("systemctl", *argv, check=check, timeout=timeout)

    def systemctl_user(
        self, user: str, *argv: str, check: bool = True, timeout: float = 150
    ) -> Completed:
        account = self._account(user)
        # Not `systemctl -M user@`: that opens a session of the user's each time.
        become = ("setpriv", f"--reuid={account[2]}", f"--regid={account[3]}", "--init-groups")
        runtime = f"XDG_RUNTIME_DIR=/run/user/{account[2]}"
        command = (*become, "env", runtime, "systemctl", "--user", *argv)
        return self.ns(*command, check=check, timeout=timeout)

    def _unit(
        self,
        argv: Sequence[str],
        user: str | None,
        env: Mapping[str, str] | None,
        cwd: str,
        login: bool,
    ) -> tuple[str, list[str]]:
        unit = f"test-run-{secrets.token_hex(4)}.service"
        given = dict(env or {})
        if user is not None and not login:
            given.setdefault("XDG_RUNTIME_DIR", f"/run/user/{self.uid(user)}")
        command = machine_command.as_unit(unit, argv, user=user, login=login, env=given, cwd=cwd)
        return unit, command

    def _end(self, unit: str) -> None:
        """The unit of a command goes on without its client."""
        self.systemctl("kill", "--signal=SIGKILL", unit, check=False)
        self.systemctl("stop", unit, check=False)

    # -- journal ------------------------------------------------------------------

    def journal(self, *matches: str) -> list[Entry]:
        """What `journalctl` with these matches or options gives, of every boot, in order."""
        self.ns("journalctl", "--sync")
        read = self.ns(*machine_journal.READ, *matches).stdout
        return machine_journal.entries(read.encode(errors="surrogateescape"))

    def journal_cursor(self) -> int:
        """The end of the journal as it is now, to wait for what comes after it."""
        self.ns("journalctl", "--sync")
        return time.time_ns() // 1000

    def wait_journal(
        self,
        *matches: str,
        contains: str = "",
        after: int = 0,
        timeout: float = 30,
    ) -> Entry:
        """The first entry, past or to come, with `contains` in its message."""
        since = ("--since", f"@{after // 1_000_000}") if after else ()
        return machine_journal.wait_for(
            lambda: self.journal(*since), matches, contains, after, timeout
        )

    # -- files and users ----------------------------------------------------------

    def path(self, inside: str | os.PathLike[str]) -> Path:
        """Where the host finds a path of the machine's, its symbolic links followed."""
        return machine_path.resolve(Path(f"/proc/{self.leader}/root"), inside)

    def uid(self, user: str) -> int:
        return int(self._account(user)[2])

    def home(self, user: str) -> str:
        return self._account(user)[5]

    def _account(self, user: str) -> list[str]:
        for line in self.path("/etc/passwd").read_text().splitlines():
            if line.startswith(f"{user}:"):
                return line.split(":")
        raise KeyError(f"{self.name} has no user {user}")

    def add_user(self, name: str, linger: bool = True) -> None:
        self.run(["useradd", "--create-home", "--shell=/bin/bash", name])
        if linger:
            self.linger(name)

    def linger(self, user: str) -> None:
        self.run(["loginctl", "enable-linger", user])
        self.wait_user_manager(user)

    def wait_user_manager(self, user: str) -> None:
        self.systemctl("start", f"user@{self.uid(user)}.service")
        self.systemctl_user(user, "is-system-running", "--wait", check=False)


if __name__ == "__main__":
    from tests.support import machine_shell

    machine_shell.main()
