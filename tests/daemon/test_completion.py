"""Completion in real shells: what a TAB makes of a line, with a daemon and without one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support import capability
from tests.support.backend import Backend, until
from tests.support.interactive_shell import (
    COMPLETIONS,
    SHELLS,
    Shell,
    interactive,
    launcher,
    missing,
)

Open = Callable[[str, dict[str, str]], Shell]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A working directory that has directories and a file to complete."""
    work = tmp_path / "work"
    (work / "sub dir").mkdir(parents=True)
    (work / "settings.yaml").touch()
    return work


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    directory = tmp_path / "bin"
    directory.mkdir()
    launcher(directory)
    return directory


@pytest.fixture
def opened(tmp_path: Path, place: Path, programs: Path) -> Iterator[Open]:
    """Opens a shell with these variables, in the working directory."""
    with ExitStack() as stack:

        def opens(shell: str, variables: dict[str, str]) -> Shell:
            capability.require(missing(shell))
            own = tmp_path / shell
            own.mkdir()
            environment = {"PATH": f"{programs}:{os.environ['PATH']}", **variables}
            return stack.enter_context(interactive(shell, own, environment, place))

        yield opens


@pytest.mark.parametrize("shell", SHELLS)
def test_sessions_that_a_command_can_be_meant_for(
    shell: str, backend: Backend, opened: Open
) -> None:
    backend.run("hello", name="api")
    old = backend.run("hello", name="old")
    backend.call("POST", f"/v1/sessions/{old['id']}/kill")
    tab = opened(shell, {"ARTAC_SOCKET": str(backend.socket)}).after_tab

    # A daemon that is slow to answer is not waited for: then nothing is offered.
    until(lambda: tab("artac stop a") == "artac stop api ", "artac stop a")
    until(lambda: tab("artac send a") == "artac send api ", "artac send a")
    until(lambda: tab("artac logs -f o") == "artac logs -f old ", "artac logs -f o")
    until(lambda: tab("artac status a") == "artac status api ", "artac status a")
    until(lambda: tab("artac rm o") == "artac rm old ", "artac rm o")
    # Each of these could only be refused.
    assert tab("artac stop o") == "artac stop o"
    assert tab("artac rm a") == "artac rm a"
    until(lambda: tab("artac rm --force a") == "artac rm --force api ", "artac rm --force a")
    assert tab("artac stop api a") == "artac stop api a"
    # By its id, too.
    most = old["id"][:5]
    until(lambda: tab(f"artac status {most}") == f"artac status {old['id']} ", "its id")


@pytest.mark.parametrize("shell", SHELLS)
def test_options_and_values_need_no_daemon(shell: str, opened: Open) -> None:
    opens = opened(shell, {"ARTAC_SOCKET": "/nonexistent/s"})
    tab = opens.after_tab

    assert tab("artac stat") == "artac status "
    assert tab("artac help stat") == "artac help status "
    assert tab("artac ls --al") == "artac ls --all "
    assert tab("artac run --permission-mode acc") == "artac run --permission-mode acceptEdits "
    assert tab("artac run --permission-mode=acc") == "artac run --permission-mode=acceptEdits "
    assert tab("artac wait api --for idle,needs") == "artac wait api --for idle,needs-permission "
    assert tab("artac limit api task") == "artac limit api tasks="
    assert tab("artac run --cwd su") == r"artac run --cwd sub\ dir/"
    assert tab("artac run --cwd=su") == r"artac run --cwd=sub\ dir/"
    assert tab("artac config --check se") == "artac config --check settings.yaml "
    # Nothing to offer: no sessions, no files, no complaint.
    assert tab("artac stop se") == "artac stop se"
    assert tab("artac run -- se") == "artac run -- se"
    assert tab("artac frobnicate se") == "artac frobnicate se"
    assert b"no artac daemon" not in opens.shown


@pytest.mark.parametrize("shell", SHELLS)
def test_nothing_of_the_line_or_of_the_answer_is_evaluated(
    shell: str, opened: Open, place: Path, programs: Path
) -> None:
    answers = place / "answers"
    answers.write_text("api$(touch pwned)\tidle $(touch pwned)\napi`touch pwned`;touch pwned\tx\n")
    (programs / "artac").write_text(f"#!/bin/sh\nexec cat '{answers}'\n")
    tab = opened(shell, {}).after_tab
    tab("artac stop ap")
    tab('artac --socket "$(touch pwned)" stop `touch pwned` ')
    answers.write_text("api$(touch pwned)\tidle\n")
    tab("artac stop ap")
    assert not (place / "pwned").exists()


def test_what_a_session_does_stands_beside_its_name(
    backend: Backend, programs: Path, place: Path
) -> None:
    capability.require(missing("fish"))
    backend.run("hello", name="api")
    backend.wait("api", "idle")
    failed = backend.run("!exit 3", name="old")
    reason = backend.wait(failed["id"])["end"]["reason"]
    script = f"source {COMPLETIONS}/artac.fish; complete -C 'artac status '"
    done = subprocess.run(
        ["fish", "--no-config", "-c", script],
        env={
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(place),
            "ARTAC_SOCKET": str(backend.socket),
        },
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert sorted(done.stdout.splitlines()) == ["api\tidle", f"old\tended, {reason}"]
