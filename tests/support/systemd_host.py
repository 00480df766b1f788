"""What tests do in a machine that runs systemd, be it a container or a virtual machine."""

from __future__ import annotations

import secrets
import subprocess
import time
from collections.abc import Mapping, Sequence

from tests.support import machine_command, machine_journal
from tests.support.machine_command import Completed
from tests.support.machine_journal import Entry


class SystemdHost:
    """A subclass says how a command of root's gets in; the rest is made of that."""

    name: str

    def ns(
        self, *argv: str, input: str | None = None, check: bool = True, timeout: float = 60
    ) -> Completed:
        """Run as root, in no unit of its own: fast, for systemctl, journalctl and files.

        Not for what logind or a cgroup matters to; that is what `run` is for.
        """
        raise NotImplementedError

    def read_bytes(self, path: str) -> bytes:
        """The content of a file, as root."""
        raise NotImplementedError

    def write(self, path: str, content: str) -> None:
        """Make it a file of root's that all can read, and the folders above it."""
        script = 'mkdir -p "$(dirname "$0")" && cat >"$0"'
        self.ns("sh", "-c", script, path, input=content)

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
            return self.ns(*command, input=input, check=check, timeout=timeout)
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
        return self.clock()

    def clock(self) -> int:
        """Microseconds since the epoch, by the machine's own clock."""
        return time.time_ns() // 1000

    def wait_journal(
        self,
        *matches: str,
        contains: str = "",
        after: int = 0,
        timeout: float = 90,
    ) -> Entry:
        """The first entry, past or to come, with `contains` in its message."""
        since = ("--since", f"@{after // 1_000_000}") if after else ()
        return machine_journal.wait_for(
            lambda: self.journal(*since, *matches), matches, contains, after, timeout
        )

    # -- users --------------------------------------------------------------------

    def uid(self, user: str) -> int:
        return int(self._account(user)[2])

    def home(self, user: str) -> str:
        return self._account(user)[5]

    def _account(self, user: str) -> list[str]:
        for line in self.read_bytes("/etc/passwd").decode().splitlines():
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
