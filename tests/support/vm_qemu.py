"""One boot of a virtual machine: qemu's command line and the line to its agent."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.cgroup import unified_mount
from tests.support.vm_channel import Channel

PROGRAMS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "mke2fs": "e2fsprogs",
    "debugfs": "e2fsprogs",
    "mmdebstrap": "mmdebstrap",
    "setpriv": "util-linux",
}

_KERNEL = (
    "console=ttyS0 root=/dev/nvme0n1 rw quiet loglevel=3 systemd.show_status=0"
    # Nobody logs in there, and a getty takes its time to start.
    " systemd.mask=getty@tty1.service systemd.mask=serial-getty@ttyS0.service"
    " systemd.mask=e2scrub_reap.service systemd.mask=systemd-modules-load.service"
)


def unavailable_reason() -> str | None:
    """Why this host can't boot virtual machines, if it can't."""
    if os.geteuid() != 0:
        return "virtual machines need root, to make their file system"
    if platform.machine() != "x86_64":
        return f"virtual machines are amd64, this machine is {platform.machine()}"
    for program, package in PROGRAMS.items():
        if shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is None:
            return f"{program} is not installed (package {package}; `make deps`)"
    if unified_mount() is None:
        return "no cgroup v2 hierarchy is mounted"
    return None


@dataclass(frozen=True)
class Disk:
    path: Path
    format: str = "raw"
    read_only: bool = False


@dataclass
class Boot:
    process: subprocess.Popen[bytes]
    channel: Channel


def start(kernel: Path, options: str, disks: Sequence[Disk], memory: int, console: Path) -> Boot:
    """Switch it on; `memory` in MiB. Its boot is under way when this returns."""
    ours, its = socket.socketpair()
    with its:
        process = subprocess.Popen(
            # It ends with the tests, whatever ends those.
            ["setpriv", "--pdeathsig=KILL", *_qemu(kernel, options, disks, memory, its, console)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=[its.fileno()],
        )
    return Boot(process, Channel(ours))


def _qemu(
    kernel: Path,
    options: str,
    disks: Sequence[Disk],
    memory: int,
    line: socket.socket,
    console: Path,
) -> list[str]:
    command = [
        "qemu-system-x86_64",
        # Never KVM: where /dev/kvm can be opened it may still hang or abort.
        *("-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", str(memory)),
        *("-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none"),
        *("-nic", "none", "-no-reboot"),
        *("-kernel", str(kernel), "-append", f"{_KERNEL} {options}"),
        *("-chardev", f"file,id=console,path={console},append=on", "-serial", "chardev:console"),
        *("-chardev", f"socket,id=agent,fd={line.fileno()}", "-serial", "chardev:agent"),
        # Name spaces of one controller: their numbers do not depend on the order of probing.
        *("-device", "nvme,id=nvme,serial=tests"),
    ]
    for number, disk in enumerate(disks, 1):
        drive = f"file={disk.path},if=none,id=disk{number},format={disk.format}"
        if disk.read_only:
            drive += ",readonly=on"
        command += ["-drive", drive]
        command += ["-device", f"nvme-ns,bus=nvme,nsid={number},drive=disk{number}"]
    return command
