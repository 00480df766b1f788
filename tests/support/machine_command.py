"""Running a command in a container machine, from the host's side of it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.nspawn import CLEAN_ENVIRONMENT

Completed = subprocess.CompletedProcess[str]


class CommandFailed(subprocess.CalledProcessError):
    def __str__(self) -> str:
        return f"{super().__str__()}\nstdout: {self.stdout}\nstderr: {self.stderr}"


def inside(leader: int, argv: Sequence[str]) -> list[str]:
    return ["nsenter", "-t", str(leader), "-a", "--", *argv]


def as_unit(
    unit: str,
    argv: Sequence[str],
    *,
    user: str | None,
    login: bool,
    env: Mapping[str, str],
    cwd: str,
) -> list[str]:
    command = ["systemd-run", "--quiet", "--pipe", "--wait", "--collect", f"--unit={unit}"]
    # Without a description of its own, the whole command line becomes the journal's.
    command += ["--description=test command", f"--property=WorkingDirectory={cwd}"]
    if user is not None:
        command.append(f"--property=User={user}")
    if login:
        command.append("--property=PAMName=login")
    command += [f"--setenv={name}={value}" for name, value in env.items()]
    # systemd expands $NAME in a unit's command; $$ is one dollar sign.
    return [*command, "--", argv[0], *(word.replace("$", "$$") for word in argv[1:])]


def call(
    leader: int, argv: Sequence[str], input: str | None, check: bool, timeout: float
) -> Completed:
    process = subprocess.Popen(
        inside(leader, argv),
        env=CLEAN_ENVIRONMENT,
        stdin=subprocess.DEVNULL if input is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        process_group=0,
    )
    given = None if input is None else input.encode(errors="surrogateescape")
    try:
        out, err = process.communicate(given, timeout)
    except BaseException:
        _kill(process)
        raise
    done = subprocess.CompletedProcess(
        list(argv),
        process.returncode,
        out.decode(errors="surrogateescape"),
        err.decode(errors="surrogateescape"),
    )
    if check and done.returncode != 0:
        raise CommandFailed(done.returncode, done.args, done.stdout, done.stderr)
    return done


def _kill(process: subprocess.Popen[bytes]) -> None:
    # nsenter forks to enter the pid namespace. Killing the child alone lets nsenter reap
    # it; killing both leaves a zombie that the machine waits for when it shuts down.
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    try:
        pids = [int(pid) for pid in children.read_text().split()]
    except FileNotFoundError:
        pids = []
    if pids:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
    else:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    # Not read to their end: a unit that has the other ends may go on.
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
