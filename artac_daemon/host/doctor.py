"""Checks of this machine: what hosting sessions needs, and what to run where it is missing."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from ..model.errors import ArtacError
from ..model.settings import PlacementPolicy, Settings
from . import cgroups, credentials, notify_checks, scopes, storage_checks, usage

OLDEST_SYSTEMD = 252
_CONTROLLERS = ("memory", "pids", "cpu")
# How long a program that is asked for its version may take (seconds); node starts slowly.
_PATIENCE = 15.0


class Status(str, Enum):
    """`warn` is for what works with less than it could, `skip` for what is not needed here."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True)
class Check:
    """One thing looked at: a line on how it is, and a command to run where it is not well."""

    name: str
    status: Status
    detail: str
    fix: str = ""

    def to_json(self) -> dict[str, str]:
        """The form in the API."""
        return {
            "name": self.name,
            "status": self.status.value,
            "detail": self.detail,
            "fix": self.fix,
        }


async def examine(
    settings: Settings,
    environ: Mapping[str, str],
    session_environment: Mapping[str, str],
    session_places: Mapping[str, str],
    more: Sequence[tuple[str, str, str, str]] = (),
    *,
    in_service: bool = True,
) -> list[Check]:
    """Make every check for the account of this process; nothing raises and nothing is mended.

    `session_environment` is what .env files and credentials give to sessions: looked at for keys,
    never shown. `session_places` tells where its variables come from.
    `more` are rows (name, status, detail, fix) that were found elsewhere, about Claude's login.
    `in_service` says that this process is the daemon itself, whose cgroup and socket count.
    """
    embedded = settings.placement is PlacementPolicy.DETACHED or not scopes.booted()
    given = {**session_environment, **environ, **settings.session_env}
    systemd, manager, claude = await asyncio.gather(
        _systemd(embedded), _manager(settings, embedded), _claude(settings, environ)
    )
    return [
        systemd,
        *manager,
        _hierarchy(embedded),
        *_delegation(settings, embedded, in_service),
        pressure_check(usage.pressure("/proc/pressure/memory"), settings.max_memory_pressure),
        claude,
        _login(given, session_places),
        *_rows(more),
        *await asyncio.to_thread(_storage, settings, environ, in_service),
    ]


def _storage(settings: Settings, environ: Mapping[str, str], in_service: bool) -> list[Check]:
    found = [
        *storage_checks.state(settings, environ),
        *storage_checks.socket(settings, environ, in_service),
        *storage_checks.configuration(environ),
        *notify_checks.notifications(settings, environ, in_service),
    ]
    return _rows(found)


def _rows(found: Sequence[tuple[str, str, str, str]]) -> list[Check]:
    return [Check(name, Status(status), detail, fix) for name, status, detail, fix in found]


def systemd_version(output: str) -> int | None:
    """The version that `systemctl --version` tells; None when it tells none."""
    match = re.match(r"systemd (\d+)", output)
    return int(match[1]) if match else None


async def _systemd(embedded: bool) -> Check:
    if not scopes.booted():
        return Check(
            "systemd",
            Status.WARN,
            "systemd is not this machine's init: sessions are detached and have no cgroup",
        )
    code, output = await _run(["systemctl", "--version"], scopes.environment())
    version = systemd_version(output)
    if code != 0 or version is None:
        return Check("systemd", Status.FAIL, "systemctl does not run", "apt-get install systemd")
    if version < OLDEST_SYSTEMD:
        status = Status.WARN if embedded else Status.FAIL
        detail = f"version {version}, and artac needs {OLDEST_SYSTEMD} or newer"
        return Check("systemd", status, detail, "apt-get install --only-upgrade systemd")
    return Check("systemd", Status.OK, f"version {version}")


async def _manager(settings: Settings, embedded: bool) -> list[Check]:
    names = ("user manager", "linger")
    if embedded:
        return [Check(name, Status.SKIP, "sessions are detached") for name in names]
    account = scopes.account()
    # Without persistence nothing lives in the user manager.
    bad = Status.FAIL if settings.persist_claude_sessions else Status.SKIP
    need = "" if settings.persist_claude_sessions else "; only persistent sessions need it"
    fix = f"loginctl enable-linger {account}"
    problem = await scopes.manager_problem()
    manager = Check(names[0], Status.OK, f"the manager of {account} answers")
    if problem:
        detail = f"the manager of {account} does not answer: {problem.splitlines()[0]}{need}"
        manager = Check(names[0], bad, detail, fix)
    linger = Check(names[1], Status.OK, f"{account} lingers")
    if not scopes.lingers(account):
        detail = f"{account} does not linger: its sessions end when its last login does{need}"
        linger = Check(names[1], bad, detail, fix)
    return [manager, linger]


def _hierarchy(embedded: bool) -> Check:
    try:
        mount = cgroups.mount_point()
    except OSError:
        mount = None
    if mount is not None:
        return Check("cgroup v2", Status.OK, f"mounted on {mount}")
    status = Status.SKIP if embedded else Status.FAIL
    return Check(
        "cgroup v2",
        status,
        "not mounted; it is the kernel that has to be told",
        "add systemd.unified_cgroup_hierarchy=1 to GRUB_CMDLINE_LINUX, then: update-grub && reboot",
    )


def _delegation(settings: Settings, embedded: bool, in_service: bool) -> list[Check]:
    name = "delegation"
    if embedded:
        return [Check(name, Status.SKIP, "sessions are detached")]
    if settings.persist_claude_sessions or not in_service:
        group = f"/user.slice/user-{os.getuid()}.slice/user@{os.getuid()}.service"
        whose, fix = f"user@{os.getuid()}.service", "systemctl daemon-reexec"
    else:
        group = cgroups.of_process("self").removesuffix("/daemon")
        whose, fix = group.rpartition("/")[2], "systemctl edit artac  # [Service] Delegate=yes"
    try:
        directory = cgroups.absolute(group)
        delegated = os.access(directory, os.W_OK) and os.access(directory / "cgroup.procs", os.W_OK)
        controllers = (directory / "cgroup.controllers").read_text().split()
        offered = (cgroups.absolute("/") / "cgroup.controllers").read_text().split()
    except (ArtacError, OSError) as error:
        detail = f"the cgroup of {whose} is not there ({error})"
        status = Status.FAIL if in_service else Status.SKIP
        return [Check(name, status, detail, f"systemctl start {whose}")]
    first = Check(name, Status.OK, f"the cgroup of {whose} is this account's own")
    if not delegated:
        first = Check(name, Status.FAIL, f"the cgroup of {whose} is not delegated", fix)
    return [first, controllers_check(controllers, offered, whose)]


def controllers_check(available: list[str], offered: list[str], whose: str) -> Check:
    """Which controllers of those that count or limit sessions are missing there."""
    missing = [name for name in _CONTROLLERS if name not in available]
    if not missing:
        return Check("controllers", Status.OK, f"{', '.join(_CONTROLLERS)} in {whose}")
    detail = (
        f"{', '.join(missing)} not available in {whose}: "
        "memory is counted by process, and such limits do not hold"
    )
    fix = f"systemctl edit {whose}  # [Service] Delegate=memory pids cpu"
    if not set(missing) & set(offered):
        detail = f"this machine offers no {', '.join(missing)} controller: {detail}"
        fix = "cat /sys/fs/cgroup/cgroup.controllers  # on the host, if this is a container"
    return Check("controllers", Status.WARN, detail, fix)


def pressure_check(found: usage.Pressure | None, most: float) -> Check:
    """Whether the pressure that admission goes by can be read on this kernel."""
    name = "memory pressure"
    if found is not None:
        return Check(name, Status.OK, f"{found.full:g}% of the last 10 s lost, {most:g}% allowed")
    return Check(
        name,
        Status.WARN,
        "the kernel does not tell it (/proc/pressure/memory): new sessions are judged by "
        "min_memory_available only",
        "add psi=1 to GRUB_CMDLINE_LINUX, then: update-grub && reboot",
    )


async def _claude(settings: Settings, environ: Mapping[str, str]) -> Check:
    name = "claude"
    configured = settings.claude_code_path
    path = configured or shutil.which("claude", path=environ.get("PATH"))
    install = "npm install -g @anthropic-ai/claude-code"
    if not path:
        return Check(name, Status.FAIL, f"not found in PATH ({environ.get('PATH', '')})", install)
    if not (os.path.isfile(path) and os.access(path, os.X_OK)):
        fix = f"chmod +x {path}" if os.path.isfile(path) else install
        return Check(name, Status.FAIL, f"{path} is not a file that can be executed", fix)
    hidden = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
    passed = {key: value for key, value in environ.items() if key not in hidden}
    code, output = await _run([path, "--version"], passed)
    if code is None:
        detail = f"{path} --version does not end within {_PATIENCE:g}s"
        return Check(name, Status.FAIL, detail, f"{path} --version")
    if code != 0:
        said = output.strip().splitlines()[-1:] or ["and says nothing"]
        detail = f"{path} --version fails with code {code}: {said[0][:200]}"
        return Check(name, Status.FAIL, detail, install)
    return Check(name, Status.OK, f"{path}, version {output.strip()[:80]}")


def _login(environ: Mapping[str, str], places: Mapping[str, str]) -> Check:
    found = credentials.sources(environ, places)
    if found:
        used, *others = found
        beside = f"; not used beside it: {', '.join(map(str, others))}" if others else ""
        if used.problem:
            return Check("login", Status.WARN, f"{used}: {used.problem}{beside}", "correct it")
        return Check("login", Status.OK, f"{used} (present, not tried){beside}")
    as_account = "" if os.getuid() == 0 else f"sudo -u {scopes.account()} -H "
    return Check(
        "login",
        Status.FAIL,
        f"no login and no key for {scopes.account()}",
        f"{as_account}claude auth login  # or put ANTHROPIC_API_KEY into artac.env (mode 0600)",
    )


async def _run(command: list[str], environ: Mapping[str, str]) -> tuple[int | None, str]:
    """Exit code and what it said; no code for a program that took too long, and was killed."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=dict(environ),
            start_new_session=True,
        )
    except OSError as error:
        return 127, error.strerror or str(error)
    try:
        output, _ = await asyncio.wait_for(process.communicate(), _PATIENCE)
    except TimeoutError:
        try:
            os.killpg(process.pid, 9)
        except ProcessLookupError:
            pass  # it ended just now
        await process.wait()
        return None, ""
    return process.returncode, output.decode("utf-8", "replace")
