"""`make run` where systemd is process 1 (the tests' own hosts boot a container machine for it)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import cache, claude_code
from tests.support.machine import Machine


@pytest.fixture
def booted(suite: str) -> Iterator[Machine]:
    """A machine with the checkout in it, and nothing of artac installed."""
    binds = [claude_code.bind(), (cache.PROJECT, "/opt/artac", True)]
    with Machine.boot(suite, binds=binds) as machine:
        machine.add_user("alice")
        (machine.path("/usr/local/bin") / "claude").symlink_to(claude_code.INSIDE)
        yield machine


@pytest.mark.parametrize(
    ("runtime", "stage"),
    [("", "your own user manager"), ("/nonexistent", "artac is shown detached")],
)
def test_the_demonstration_shows_what_it_promises(
    booted: Machine, runtime: str, stage: str
) -> None:
    environment = {"XDG_RUNTIME_DIR": runtime} if runtime else None
    shown = booted.run(
        ["python3", "-m", "tests.demo"],
        user="alice",
        env=environment,
        cwd="/opt/artac",
        timeout=300,
    ).stdout
    assert stage in shown and "4711" in shown
    assert shown.rstrip().endswith("is gone again.")
    left = booted.ns("pgrep", "-U", "alice", "-fa", "artac|claude", check=False).stdout
    assert left == ""
