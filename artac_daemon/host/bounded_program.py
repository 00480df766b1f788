"""Runs a program that somebody else has written: with an input, without a say, and not for long."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence

from .processes import ExitWatch

# Seconds for what was killed to be gone; longer only where the kernel does not let go of it.
_GOING = 2.0

# What a program needs to find itself at home. Nothing else of the daemon's environment is handed
# on: there are keys for sessions in it, and the names of systemd's sockets.
_PASSED = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TZ", "TMPDIR"),
    *("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "ARTAC_SOCKET"),
)


async def run(argv: Sequence[str], environ: Mapping[str, str], given: bytes, seconds: float) -> int:
    """Run it in a process group of its own; its exit code, negative for a signal.

    What it has left in its group is killed when it ends, and all of it when the time is over
    (TimeoutError) or nobody waits any more. OSError where it cannot be started.
    """
    process = _start(argv, environ, given)
    done: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def reap() -> None:
        _kill(process.pid)  # before its pid, which is the group's, is free for somebody else
        done.set_result(process.wait())

    try:
        ExitWatch(process.pid, reap)
    except OSError:  # no descriptor is left
        _kill(process.pid)
        process.wait()
        raise
    try:
        async with asyncio.timeout(seconds):
            return await asyncio.shield(done)
    finally:
        if not done.done():
            _kill(process.pid)
            await asyncio.wait({done}, timeout=_GOING)


def passed(environ: Mapping[str, str]) -> dict[str, str]:
    """Of an environment, what such a program gets."""
    return {name: environ[name] for name in _PASSED if name in environ}


def _start(
    argv: Sequence[str], environ: Mapping[str, str], given: bytes
) -> subprocess.Popen[bytes]:
    # A file, not a pipe: one that never reads its input holds up nobody.
    fd = os.memfd_create("artac-input", os.MFD_CLOEXEC)
    try:
        os.write(fd, given)
        os.lseek(fd, 0, os.SEEK_SET)
        return subprocess.Popen(
            argv,
            stdin=fd,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=dict(environ),
            start_new_session=True,
        )
    finally:
        os.close(fd)


def _kill(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass  # nobody is left in it, or what is left has become another account's
