"""A virtual machine: a kernel of its own, with cgroup controllers, an OOM killer and power cuts.

Emulated, so slow: boot one and use it for many tests. It has the names of a container machine
(tests/support/machine.py) where the meaning is the same.
"""

from __future__ import annotations

import atexit
import os
import secrets
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from tests.support import leftovers, vm_disks, vm_qemu
from tests.support.machine_command import CommandFailed, Completed
from tests.support.nspawn import CLEAN_ENVIRONMENT
from tests.support.systemd_host import SystemdHost
from tests.support.vm_frames import Closed, content, text
from tests.support.vm_qemu import Disk, unavailable_reason

__all__ = ["Vm", "VmFailure", "unavailable_reason"]

_BOOT = 120.0


class VmFailure(RuntimeError):
    """It did not do what a machine does; says what its console had."""


class Vm(SystemdHost):
    """Use as a context manager: what the machine has on the host goes at its end."""

    @classmethod
    def boot(
        cls,
        suite: str,
        lay: Callable[[Path], None],
        name: str | None = None,
        claude: bool = False,
        memory: int = 2048,
        timeout: float = _BOOT,
    ) -> Vm:
        """`lay` puts into a folder what is to be below / beside the suite's tree.

        `claude`: with the disk that `mount_claude` mounts. `memory` in MiB.
        """
        vm = cls(suite, name or f"vm-{suite}", claude, memory)
        try:
            vm._make_disks(lay)
            vm.start(timeout)
        except BaseException:
            vm.close()
            raise
        return vm

    def __init__(self, suite: str, name: str, claude: bool, memory: int) -> None:
        self.suite = suite
        self.name = name
        self._memory = memory
        self._kernel = vm_disks.kernel()
        self._base = vm_disks.root(suite)
        self._claude = vm_disks.claude() if claude else None
        self._boot: vm_qemu.Boot | None = None
        self._run = leftovers.claim(f"{name}-{secrets.token_hex(4)}")
        # A cut before the first sync would lose the one that systemd makes up.
        self._id = secrets.token_hex(16)
        atexit.register(self.close)

    def __enter__(self) -> Vm:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # -- life ---------------------------------------------------------------------

    def start(self, timeout: float = _BOOT) -> None:
        """Boot; after `poweroff` or `power_cut`, on the same disk. Returns when all has started."""
        if self._boot is not None:
            raise RuntimeError(f"{self.name} is on already")
        disks = [Disk(self._run.folder / "root", "qcow2"), Disk(self._layer, read_only=True)]
        if self._claude is not None:
            disks.append(Disk(self._claude, read_only=True))
        options = f"systemd.machine_id={self._id} systemd.hostname={self.name}"
        deadline = time.monotonic() + timeout
        self._boot = vm_qemu.start(self._kernel, options, disks, self._memory, self._console)
        try:
            self._boot.channel.wait_agent(timeout)
            self.systemctl(
                *("is-system-running", "--wait"),
                check=False,
                timeout=max(1.0, deadline - time.monotonic()),
            )
        except (Closed, TimeoutError, subprocess.TimeoutExpired) as problem:
            raise self._failure(f"it did not boot in {timeout:.0f} s") from problem

    def poweroff(self) -> None:
        self._go_down("poweroff")

    def reboot(self, timeout: float = _BOOT) -> None:
        self._go_down("reboot")
        self.start(timeout)

    def power_cut(self) -> None:
        """Off at once: what was not synced is lost. `start` switches it on again."""
        if self._boot is None:
            raise RuntimeError(f"{self.name} is off")
        self._boot.process.kill()
        self._off()

    def close(self) -> None:
        if not self._run.folder.exists():
            return
        atexit.unregister(self.close)
        if self._boot is not None:
            self.power_cut()
        self._run.remove()

    def _go_down(self, how: str, timeout: float = 150) -> None:
        assert self._boot is not None
        try:
            self.systemctl("--no-block", how)
        except Closed:
            pass  # it was quicker than its own answer
        try:
            self._boot.process.wait(timeout)
        except subprocess.TimeoutExpired as problem:
            raise self._failure(f"no {how} in {timeout:.0f} s") from problem
        self._off()

    def _off(self) -> None:
        assert self._boot is not None
        self._boot.process.communicate()
        self._boot.channel.close()
        self._boot = None

    def _failure(self, what: str) -> VmFailure:
        assert self._boot is not None
        self._boot.process.kill()
        said = self._boot.process.communicate()[0].decode(errors="replace")
        self._boot.channel.close()
        self._boot = None
        shown = self._console.read_text(errors="replace") if self._console.exists() else ""
        return VmFailure(f"{self.name}: {what}\nqemu: {said}\nconsole:\n{shown[-4000:]}")

    # -- disks --------------------------------------------------------------------

    @property
    def _layer(self) -> Path:
        return self._run.folder / "layer"

    @property
    def _console(self) -> Path:
        return self._run.folder / "console"

    def _make_disks(self, lay: Callable[[Path], None]) -> None:
        vm_disks.layer(self.suite, lay, self._layer)
        overlay = ("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(self._base))
        subprocess.run([*overlay, str(self._run.folder / "root")], check=True)

    def mount_claude(self) -> None:
        """Have the real Claude Code at claude_code.INSIDE, until the machine goes down."""
        if self._claude is None:
            raise RuntimeError(f"{self.name} was booted without it")
        folder = os.path.dirname(vm_disks.claude_code.INSIDE)
        script = 'mountpoint -q "$0" || { mkdir -p "$0" && mount -o ro /dev/nvme0n3 "$0"; }'
        self.ns("sh", "-c", script, folder)

    # -- commands and files -------------------------------------------------------

    def ns(
        self, *argv: str, input: str | None = None, check: bool = True, timeout: float = 60
    ) -> Completed:
        if self._boot is None:
            raise RuntimeError(f"{self.name} is off")
        request = {
            "argv": list(argv),
            "env": CLEAN_ENVIRONMENT,
            "input": None if input is None else text(input.encode(errors="surrogateescape")),
            "timeout": timeout,
        }
        # The agent ends what is late; only a machine that hangs is silent.
        answer = self._boot.channel.call(request, timeout + 60)
        if "late" in answer:
            raise subprocess.TimeoutExpired(list(argv), timeout)
        out, err = (
            content(answer[name]).decode(errors="surrogateescape") for name in ("out", "err")
        )
        done = subprocess.CompletedProcess(list(argv), answer["code"], out, err)
        if check and done.returncode != 0:
            raise CommandFailed(done.returncode, done.args, done.stdout, done.stderr)
        return done

    def read_bytes(self, path: str) -> bytes:
        if self._boot is None:
            raise RuntimeError(f"{self.name} is off")
        answer = self._boot.channel.call({"path": path}, 120)
        if "errno" in answer:
            raise OSError(answer["errno"], os.strerror(answer["errno"]), path)
        return content(answer["content"])

    def clock(self) -> int:
        return int(self.ns("date", "+%s%6N").stdout)
