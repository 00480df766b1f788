"""What a machine's journal had to say while a test failed."""

from __future__ import annotations

import subprocess
import time

import pytest

from tests.support.systemd_host import SystemdHost


def add(report: pytest.TestReport, call: pytest.CallInfo[None], machine: SystemdHost) -> None:
    seconds = time.time() - call.start + 1
    report.sections.append((f"journal of {machine.name}", _read(machine, seconds)))


def _read(machine: SystemdHost, seconds: float) -> str:
    try:
        return machine.ns(
            *("journalctl", "--no-pager", "--output=short-precise", "--lines=200"),
            f"--since=-{seconds:.0f}s",
        ).stdout
    except (RuntimeError, subprocess.SubprocessError, OSError) as problem:
        return f"can't be read: {problem}"
