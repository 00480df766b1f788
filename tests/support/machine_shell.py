"""A root shell in a machine that goes when the shell ends."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.support import machine_command
from tests.support.machine import Machine, unavailable_reason
from tests.support.nspawn import CLEAN_ENVIRONMENT
from tests.support.tree import SUITES


def shell(suite: str) -> int:
    term = os.environ.get("TERM", "dumb")
    command = ["systemd-run", "--quiet", "--pty", "--wait", "--collect", f"--setenv=TERM={term}"]
    command += ["--property=WorkingDirectory=~", "/bin/bash", "-l"]
    with Machine.boot(suite) as machine:
        inside = machine_command.inside(machine.leader, command)
        return subprocess.run(inside, env={**CLEAN_ENVIRONMENT, "TERM": term}).returncode


def main() -> None:
    match sys.argv[1:]:
        case ["shell", suite] if suite in SUITES:
            if reason := unavailable_reason():
                sys.exit(f"no machine can be booted here: {reason}")
            sys.exit(shell(suite))
        case _:
            sys.exit(f"usage: python3 -m tests.support.machine shell {'|'.join(SUITES)}")
