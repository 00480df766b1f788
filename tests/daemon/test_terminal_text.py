"""`artac logs` of a terminal session: what was on its screen, each line once."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.attached_client import AttachedClient
from tests.support.backend import Backend, until


@pytest.fixture
def name(backend: Backend) -> str:
    session = backend.run(kind="terminal", size=[80, 24])
    until(lambda: b"> " in backend.output(session["id"]), "its prompt")
    return str(session["id"])


def say(backend: Backend, name: str, *lines: str) -> None:
    with AttachedClient(backend, name) as client:
        for line in lines:
            client.types(f"{line}\r".encode())
            client.shows(f"you said: {line}".encode())


def test_lines_are_told_once_in_order(backend: Backend, name: str) -> None:
    said = [f"line {number}" for number in range(60)]
    say(backend, name, *said)
    shown = backend.artac("logs", name).stdout.splitlines()
    assert shown[0] == "stand-in for claude (no model)"
    assert [line for line in shown if line.startswith("you")] == [f"you said: {x}" for x in said]
    assert backend.artac("logs", name, "-n", "3").stdout.splitlines() == shown[-3:]
    assert (
        backend.artac("logs", name, "--raw").stdout.encode().splitlines()
        == backend.output(name).splitlines()
    )


def test_from_an_offset_only_what_came_after_it(backend: Backend, name: str) -> None:
    say(backend, name, "before")
    offset = len(backend.output(name))
    say(backend, name, "after")
    shown = backend.artac("logs", name, "--offset", str(offset)).stdout
    assert "you said: after" in shown and "before" not in shown


def test_the_widths_that_it_had_are_kept_for_who_reads_later(backend: Backend, name: str) -> None:
    with AttachedClient(backend, name, columns=40, rows=10) as client:
        client.shows(b"size: 40x10")
    say(backend, name, "x" * 60)
    sizes = backend.call("GET", f"/v1/sessions/{name}/sizes")["sizes"]
    assert sizes[0] == [0, 80, 24] and sizes[-1][1:] == [40, 10]
    assert sizes[-1][0] <= backend.output(name).index(b"size: 40x10")
    backend.call("POST", f"/v1/sessions/{name}/stop")
    shown = backend.artac("logs", name).stdout.splitlines()
    assert f"you said: {'x' * 30}" in shown and "x" * 30 in shown


def test_following_does_not_wait_until_lines_scroll_off(backend: Backend, name: str) -> None:
    reader = subprocess.Popen(
        [sys.executable, "-m", "artac_daemon.cli.main", "logs", "-f", name],
        env=backend.environment(),
        cwd=backend.work,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert reader.stdout is not None
    try:
        say(backend, name, "one", "two")
        told = []
        while "you said: two" not in told:
            told.append(reader.stdout.readline().rstrip("\n"))
        say(backend, name, *(f"line {number}" for number in range(40)))
        backend.call("POST", f"/v1/sessions/{name}/stop")
        rest, errors = reader.communicate(timeout=30)
        told += rest.splitlines()
    finally:
        reader.kill()
        reader.wait()
    said = ["one", "two", *(f"line {number}" for number in range(40))]
    assert [line for line in told if line.startswith("you")] == [f"you said: {x}" for x in said]
    assert "ended: stopped" in errors


def test_why_shows_the_last_lines(backend: Backend, name: str) -> None:
    say(backend, name, "this is the last")
    assert "you said: this is the last" in backend.artac("why", name).stdout
    assert "\x1b" not in backend.artac("why", name).stdout
    for ended in (False, True):
        if ended:
            backend.call("POST", f"/v1/sessions/{name}/stop")
        last = backend.call("GET", f"/v1/sessions/{name}/why?lines=4")["last_output"]
        assert "you said: this is the last" in last and not any("\x1b" in line for line in last)
