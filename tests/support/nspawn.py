"""One boot of a container machine: the command line, and waiting for its READY=1."""

from __future__ import annotations

import os
import select
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support import leftovers
from tests.support.cgroup import unified_mount

Bind = tuple[Path | str, str, bool]
"""(folder or file of the host, where it is inside, read-only)"""

CLEAN_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "SYSTEMD_PAGER": "",
    "SYSTEMD_COLORS": "0",
}

REBOOT = 133
"""What nspawn exits with when the machine asked to be booted again."""

# The overlay and nspawn's own traces under /run are mounted where only the machine
# sees them, and so vanish with its last process.
_START = """
echo $$ >"$CGROUP/cgroup.procs" &&
mount -t tmpfs -o mode=755 tmpfs /run/systemd/nspawn &&
mount -t overlay overlay -o "$OVERLAY" "$ROOT" &&
exec systemd-nspawn "$@"
"""


def unavailable_reason() -> str | None:
    """Why this host can't boot container machines, if it can't."""
    if os.geteuid() != 0:
        return "container machines need root"
    for program, package in (
        ("systemd-nspawn", "systemd-container"),
        ("mmdebstrap", "mmdebstrap"),
        ("unshare", "util-linux"),
        ("nsenter", "util-linux"),
    ):
        if shutil.which(program) is None:
            return f"{program} is not installed (package {package}; `make deps`)"
    unified = unified_mount()
    if unified is None:
        return "no cgroup v2 hierarchy is mounted"
    if not (unified / "cgroup.procs").exists() or not os.access(unified, os.W_OK):
        return f"{unified} can't be written (a container without its own cgroups?)"
    probe = unified / f"{leftovers.PREFIX}probe-{os.getpid()}"
    try:
        probe.mkdir()
    except OSError as problem:
        return f"no cgroup can be made below {unified}: {problem.strerror}"
    try:
        if not (probe / "cgroup.kill").exists():
            return "the kernel is older than 5.14 (no cgroup.kill)"
    finally:
        probe.rmdir()
    mounted = subprocess.run(
        ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True
    )
    if mounted.returncode != 0:
        return "mounting is not permitted here (a container without CAP_SYS_ADMIN?)"
    return None


@dataclass
class Boot:
    process: subprocess.Popen[bytes]
    leader: int


class BootFailure(RuntimeError):
    pass


def start(
    run: leftovers.Run,
    hostname: str,
    layers: Sequence[Path],
    binds: Sequence[Bind],
    network: bool,
    timeout: float,
) -> Boot:
    log = run.folder / "console"
    for name in ("up", "work", "root"):
        (run.folder / name).mkdir(exist_ok=True)
    (run.folder / "up").chmod(0o755)
    Path("/run/systemd/nspawn").mkdir(parents=True, exist_ok=True)
    address = run.folder / "notify"
    address.unlink(missing_ok=True)
    with (
        log.open("ab") as console,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notify,
    ):
        notify.bind(str(address))
        process = subprocess.Popen(
            [
                *("unshare", "--mount", "--propagation", "private"),
                *("sh", "-c", _START, "nspawn"),
                *_arguments(run.folder / "root", hostname, binds, network),
            ],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            start_new_session=True,
            env={
                **CLEAN_ENVIRONMENT,
                "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
                "NOTIFY_SOCKET": str(address),
                "CGROUP": str(run.cgroup.path),
                "ROOT": str(run.folder / "root"),
                "OVERLAY": _overlay(layers, run.folder),
            },
        )
        try:
            return Boot(process, _wait_ready(process, notify, timeout))
        except BootFailure as failure:
            run.cgroup.kill()
            process.wait()
            tail = log.read_text(errors="replace")[-4000:]
            raise BootFailure(f"{hostname} did not boot: {failure}\n{tail}") from None


def _arguments(root: Path, hostname: str, binds: Sequence[Bind], network: bool) -> list[str]:
    arguments = [
        "--boot",
        "--quiet",
        "--register=no",
        "--keep-unit",
        "--settings=no",
        "--link-journal=no",
        "--timezone=off",
        f"--machine={hostname}",
        f"--hostname={hostname}",
        f"--directory={root}",
        "--kill-signal=SIGRTMIN+3",
        "--notify-ready=yes",
        "--resolv-conf=copy-host" if network else "--resolv-conf=off",
    ]
    if not network:
        arguments.append("--private-network")
    for source, destination, read_only in binds:
        escaped = str(Path(source).resolve()).replace(":", "\\:")
        arguments.append(f"--bind{'-ro' if read_only else ''}={escaped}:{destination}")
    return arguments


def _overlay(layers: Sequence[Path], folder: Path) -> str:
    for path in (*layers, folder):
        if any(mark in str(path) for mark in ",:\\"):
            raise ValueError(f"an overlay can't be made of {path}: it has one of , : \\")
    lower = ":".join(str(layer) for layer in layers)
    return f"lowerdir={lower},upperdir={folder}/up,workdir={folder}/work"


def _wait_ready(process: subprocess.Popen[bytes], notify: socket.socket, timeout: float) -> int:
    leader = 0
    deadline = time.monotonic() + timeout
    ended = os.pidfd_open(process.pid)
    try:
        while True:
            left = max(0.0, deadline - time.monotonic())
            readable, _, _ = select.select([notify.fileno(), ended], [], [], left)
            if notify.fileno() in readable:
                for line in notify.recv(4096).decode(errors="replace").splitlines():
                    name, _, value = line.partition("=")
                    if name == "X_NSPAWN_LEADER_PID":
                        leader = int(value)
                    elif line == "READY=1" and leader:
                        return leader
            elif ended in readable:
                raise BootFailure(f"systemd-nspawn ended with {process.wait()}")
            else:
                raise BootFailure(f"not ready after {timeout:.0f} s")
    finally:
        os.close(ended)
