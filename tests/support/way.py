"""The three ways in: artac as a service of the machine, of a user by template, of a user."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.backend import until
from tests.support.machine_command import Completed
from tests.support.systemd_host import SystemdHost

API_PORT = 8787
API_UNIT = "loopback-api.service"

# What keeps the CLI to the loopback API; what a user would set is set the same way.
CLAUDE_ENVIRONMENT = {
    "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{API_PORT}",
    "ANTHROPIC_API_KEY": "sk-ant-none-of-anybody",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
}


def start_api(machine: SystemdHost) -> None:
    """Serve the loopback Messages API in the machine; returns when it answers."""
    cursor = machine.journal_cursor()
    machine.ns(
        "systemd-run",
        "--quiet",
        f"--unit={API_UNIT}",
        "--working-directory=/opt/artac-tests",
        "/usr/bin/python3",
        *("-m", "tests.support.loopback_api", "--port", str(API_PORT)),
    )
    machine.wait_journal(f"_SYSTEMD_UNIT={API_UNIT}", contains=f":{API_PORT}", after=cursor)


def prompts(machine: SystemdHost) -> dict[str, int]:
    """How often each prompt reached the model."""
    read = f"import urllib.request as u; print(u.urlopen('http://127.0.0.1:{API_PORT}/_counts').read().decode())"
    counts: dict[str, int] = json.loads(machine.ns("python3", "-c", read).stdout)
    return counts


class Way:
    """One artac in a machine: how it is operated, by whom, and what it left."""

    def __init__(self, machine: SystemdHost, account: str, unit: str, user_unit: bool) -> None:
        # Any: tests of container machines use what only those have.
        self.machine: Any = machine
        self.account = account
        self.unit = unit
        self.user_unit = user_unit
        home = machine.home(account)
        if unit == "artac.service" and not user_unit:
            self.env_file, self.state = Path("/etc/artac/artac.env"), Path("/var/lib/artac")
        else:
            self.env_file = Path(home, ".config/artac/.env")
            self.state = Path(home, ".local/state/artac")
        self.work = Path(home, "work")
        machine.run(["mkdir", "-p", str(self.work)], user=account)

    # Operating it

    def configure(self, **settings: str) -> None:
        """Set what is in its environment file, beside what Claude needs."""
        lines = [f"{name}={value}" for name, value in {**CLAUDE_ENVIRONMENT, **settings}.items()]
        content = "\n".join(lines) + "\n"
        user = "root" if self.env_file.is_relative_to("/etc") else self.account
        script = 'umask 077; mkdir -p "$(dirname "$0")"; cat >"$0"'
        self.machine.run(["sh", "-c", script, str(self.env_file)], user=user, input=content)

    def drop_in(self, name: str, content: str) -> None:
        """A drop-in for its unit; "" takes it away."""
        kind = "user" if self.user_unit else "system"
        path = f"/etc/systemd/{kind}/{self.unit}.d/{name}.conf"
        if content:
            self.machine.write(path, content)
        else:
            self.machine.ns("rm", "-f", path)
        self.systemctl("daemon-reload")

    def systemctl(self, *argv: str, check: bool = True) -> Completed:
        if self.user_unit:
            return self.machine.systemctl_user(self.account, *argv, check=check)
        return self.machine.systemctl(*argv, check=check)

    def start(self) -> None:
        self.systemctl("start", self.unit)

    def stop(self) -> None:
        self.systemctl("stop", self.unit)

    def show(self, name: str) -> str:
        """A property of its unit."""
        return self.systemctl("show", "--value", f"--property={name}", self.unit).stdout.strip()

    def main_pid(self) -> int:
        return int(self.show("MainPID"))

    def crash(self) -> None:
        """SIGKILL of artacd, and the wait until systemd has started another."""
        pid = self.main_pid()
        cursor = self.machine.journal_cursor()
        self.machine.ns("kill", "-KILL", str(pid))
        self.wait_ready(cursor)
        assert self.main_pid() != pid

    def wait_ready(self, cursor: int) -> None:
        """Until a backend of this account is ready, after that moment, and its unit knows."""
        uid = self.machine.uid(self.account)
        self.machine.wait_journal(
            f"_UID={uid}", "SYSLOG_IDENTIFIER=artacd", contains=" ready on ", after=cursor
        )
        until(lambda: self.show("ActiveState") == "active", f"{self.unit} is active")

    def log(self) -> str:
        """What artacd has said in the journal."""
        uid = self.machine.uid(self.account)
        entries = self.machine.journal(f"_UID={uid}", "SYSLOG_IDENTIFIER=artacd")
        return "\n".join(entry["MESSAGE"] for entry in entries)

    def scopes(self) -> list[str]:
        """The session scopes of its account that are active."""
        command = ("list-units", "--plain", "--no-legend", "artac-session-*.scope")
        # Where no manager runs there are none: sessions that do not persist need none.
        found = self.machine.systemctl_user(self.account, *command, check=False).stdout
        return [line.split()[0] for line in found.splitlines()]

    # Using it

    def artac(
        self, *argv: str, check: bool = True, input: str | None = None, timeout: float = 60
    ) -> Completed:
        """The command, as the account itself in its work directory."""
        return self.machine.run(
            ["artac", *argv],
            user=self.account,
            cwd=str(self.work),
            check=check,
            input=input,
            timeout=timeout,
        )

    def run(self, *argv: str) -> dict[str, Any]:
        """Start a session; its JSON."""
        started: dict[str, Any] = json.loads(self.artac("run", "--json", *argv).stdout)
        found: dict[str, Any] = started.get("session", started)
        return found

    def status(self, ref: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.artac("status", "--json", ref).stdout)
        session: dict[str, Any] = found.get("session", found)
        return session

    def wait(self, ref: str, states: str) -> None:
        self.artac("wait", ref, "--for", states, "--timeout", "50s")

    def wait_prompt(self, ref: str) -> None:
        """Until it can be typed to: Claude says that it is idle before it draws its input box."""
        self.wait(ref, "idle")
        until(lambda: "❯" in self.artac("screen", ref).stdout, "Claude's input box")

    def ask(self, ref: str, text: str) -> str:
        """A message and the answer to it."""
        return self.artac("send", ref, text, "--wait", "--timeout", "50s").stdout.strip()

    def output(self, ref: str) -> bytes:
        return self.machine.read_bytes(str(self.state / "sessions" / ref / "output"))

    # What it left

    def processes(self) -> list[str]:
        """The account's processes but for its user manager's own, and those that only wait to
        be reaped by whoever has started them.
        """
        listed = self.machine.ns(
            *("ps", "-o", "stat=,pid=,args=", "-U", self.account), check=False
        ).stdout
        own = ("/lib/systemd/systemd --user", "(sd-pam)", "dbus-daemon", "/usr/bin/artacd")
        rows = [line.split(None, 1) for line in listed.splitlines()]
        return [
            row
            for stat, row in rows
            if not stat.startswith("Z") and not any(word in row for word in own)
        ]

    def is_alive(self, pid: int) -> bool:
        stat = self.machine.ns("ps", "-o", "stat=", "-p", str(pid), check=False).stdout.strip()
        return bool(stat) and not stat.startswith("Z")

    def clean_up(self) -> None:
        """End it with everything of it, and forget what it kept."""
        self.artac("kill", "--all", "--yes", check=False)
        self.systemctl("stop", self.unit, check=False)
        for scope in self.scopes():
            self.machine.systemctl_user(self.account, "stop", scope, check=False)
        self.systemctl("reset-failed", self.unit, check=False)
        script = 'rm -rf "$0"/sessions "$0"/damaged "$0"/lock "$0"/events "$0"/notified'
        self.machine.ns("sh", "-c", script, str(self.state))
