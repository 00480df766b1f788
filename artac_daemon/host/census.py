"""Every process of the machine, in one pass over /proc.

Read directly: the same of psutil takes several times as long, and `artac ps` is one command among
others. Of other accounts' processes there is what /proc shows to everybody (proc(5), hidepid).
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from ..model.census import session_cgroup
from ..model.process import Process
from . import cgroups

_KERNEL_THREAD = 0x00200000  # PF_KTHREAD
_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")

# Of a command line; a shell's may hold a whole script.
_LONGEST_COMMAND = 4096
_LONGEST_ENVIRONMENT = 1024 * 1024
_MARK = b"ARTAC_SESSION="


def scan() -> list[Process]:
    """Every living process, kernel threads left out."""
    account = os.geteuid()
    elsewhere: dict[str, bool] = {}  # cgroups that are no session's
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            process = _read(entry, account, elsewhere)
            if process is not None:
                found.append(process)
    return found


def boot_time() -> float:
    """When the clock of start times stood at 0, as seconds since the epoch."""
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


def seconds(ticks: int) -> float:
    """Clock ticks of the kernel's interfaces as seconds."""
    return ticks / _TICK


def account_of(pid: int) -> int:
    """The real uid of a process, which may be signalled by that account; -1 when it is gone.

    The owner of /proc/PID would not do: it is root for a process that may not be dumped.
    """
    try:
        status = _content(f"/proc/{pid}/status", 65536)
    except OSError:
        return -1
    return int(status.partition(b"\nUid:")[2].split(None, 1)[0])


def proportional_bytes(pid: int) -> int | None:
    """Its PSS: pages shared with others counted in part; None where that may not be seen.

    The kernel walks all its page tables for it, which takes milliseconds for Claude Code.
    """
    try:
        rollup = _content(f"/proc/{pid}/smaps_rollup", 65536)
    except OSError:
        return None
    fields = rollup.partition(b"\nPss:")[2].split(None, 1)
    return int(fields[0]) * 1024 if fields else None


def name_of_cgroup(directory: Path | None) -> str:
    """A cgroup's directory as a name such as in /proc/PID/cgroup; "" for none."""
    mount = cgroups.mount_point()
    if directory is None or mount is None:
        return ""
    return f"/{directory.relative_to(mount)}"


def _read(pid: str, account: int, elsewhere: dict[str, bool]) -> Process | None:
    base = f"/proc/{pid}"
    try:
        before, _, after = _content(f"{base}/stat", 4096).rpartition(b")")
        fields = after.split()
        if fields[0] in (b"Z", b"X") or int(fields[6]) & _KERNEL_THREAD:
            return None
        owner = os.stat(base).st_uid
        cgroup = _cgroup(f"{base}/cgroup")
        command = _content(f"{base}/cmdline", _LONGEST_COMMAND)
    except (OSError, IndexError, ValueError):
        return None  # it has ended meanwhile, or is hidden from us
    if cgroup not in elsewhere:
        elsewhere[cgroup] = session_cgroup(cgroup) is None
    own = owner == account
    return Process(
        pid=int(pid),
        parent=int(fields[1]),
        group=int(fields[3]),
        uid=owner,
        start_time=int(fields[19]),
        terminal=fields[4] != b"0",
        name=_text(before.partition(b"(")[2]),
        words=tuple(_text(command.rstrip(b"\0")).split("\0")) if command else (),
        program=_program(base) if own and elsewhere[cgroup] else "",
        cgroup=cgroup,
        mark=_mark(base) if own and elsewhere[cgroup] else "",
        memory=int(fields[21]) * _PAGE,
        cpu_seconds=(int(fields[11]) + int(fields[12])) / _TICK,
    )


def _cgroup(path: str) -> str:
    content = b"\n" + _content(path, 65536)
    line = content.partition(b"\n0::")[2].partition(b"\n")[0]
    return _text(line).removesuffix(" (deleted)")


def _program(base: str) -> str:
    try:
        return os.readlink(f"{base}/exe").removesuffix(" (deleted)")  # Claude Code updates itself
    except OSError:
        return ""


def _mark(base: str) -> str:
    """ARTAC_SESSION in its environment. Nothing else of an environment is kept."""
    try:
        environment = b"\0" + _content(f"{base}/environ", _LONGEST_ENVIRONMENT)
    except OSError:
        return ""
    return _text(environment.partition(b"\0" + _MARK)[2].partition(b"\0")[0])


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _content(path: str, most: int) -> bytes:
    # Not open(): its layers would cost more than the reading.
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        content = os.read(fd, most)
        # /proc gives long files in pieces.
        while content and len(content) < most and (piece := os.read(fd, most - len(content))):
            content += piece
        return content
    finally:
        os.close(fd)
