"""Declared sessions: started by name and with the backend, broken ones beside good ones, saved."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.backend import ApiError, Backend, until

MakeBackend = Callable[..., Backend]


def directory(backend: Backend) -> Path:
    found = backend.root / "config" / "sessions.d"
    found.mkdir(mode=0o700, exist_ok=True)
    return found


def declare(backend: Backend, name: str, text: str = "", mode: int = 0o600) -> Path:
    """A file that works in the backend's directory."""
    path = directory(backend) / f"{name}.yaml"
    path.write_text(f"cwd: {backend.work}\n{text}\n")
    path.chmod(mode)
    return path


def declared(backend: Backend) -> dict[str, Any]:
    """The rows of the listing, by name."""
    return {row["name"]: row for row in backend.call("GET", "/v1/declared")["declared"]}


def of(backend: Backend, name: str, ended: bool = False) -> list[dict[str, Any]]:
    """The sessions that were started from a file."""
    return [session for session in backend.list(ended) if session["name"] == name]


# By name


def test_start_starts_it_once(backend: Backend) -> None:
    declare(backend, "api", "prompt: hello\nmodel: opus\nallowed_tools: [Read]")
    first = backend.artac("start", "api")
    (session,) = backend.list()
    assert first.stdout == f"started {session['id']} (api)\n"
    shown = backend.show("api")
    assert (shown["declared"], shown["model"], shown["allowed_tools"]) == ("api", "opus", ["Read"])
    backend.wait("api", "idle")
    again = backend.artac("start", "api")
    assert again.returncode == 0
    assert again.stdout == f"{session['id']} (api) runs already, idle: nothing started\n"
    assert json.loads(backend.artac("start", "--json", "api").stdout)["started"] is False
    assert len(backend.list()) == 1


def test_starts_at_the_same_time_are_one_session(backend: Backend) -> None:
    declare(backend, "api")
    answers: list[dict[str, Any]] = []

    def start() -> None:
        answers.append(backend.call("POST", "/v1/declared/api/start"))

    threads = [threading.Thread(target=start) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(answer["started"] for answer in answers) == [False] * 4 + [True]
    assert len({answer["session"]["id"] for answer in answers}) == 1


def test_with_wait_the_exit_code_is_the_turns(backend: Backend) -> None:
    declare(backend, "good", "prompt: hello")
    done = backend.artac("start", "--wait", "--stop", "good")
    assert done.stdout == "echo: hello\n"
    (session,) = of(backend, "good", ended=True)
    assert session["end"]["reason"] == "stopped"
    declare(backend, "bad", "prompt: '!exit 7'")
    failed = backend.artac("start", "--wait", "bad", check=False)
    assert failed.returncode == 12 and failed.stdout == ""
    # Nothing of the reply where it would end up in a journal.
    quiet = backend.artac("start", "--wait", "--stop", "--quiet", "good")
    assert "echo" not in quiet.stdout + quiet.stderr and "started" in quiet.stderr


def test_wait_leaves_one_alone_that_runs_already(backend: Backend) -> None:
    declare(backend, "slow", "prompt: '!slow 60'")
    backend.artac("start", "slow")
    second = backend.artac("start", "--wait", "--stop", "slow")
    assert "runs already" in second.stdout
    assert len(of(backend, "slow")) == 1


def test_ctrl_c_with_stop_ends_what_it_started(backend: Backend) -> None:
    declare(backend, "talk")
    waiting = subprocess.Popen(
        [sys.executable, "-m", "artac_daemon.cli.main", "start", "--wait", "--stop", "talk"],
        env=backend.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert waiting.stderr is not None
    assert waiting.stderr.readline().startswith("artac: started ")
    waiting.send_signal(signal.SIGINT)
    waiting.communicate(timeout=30)
    assert waiting.returncode == 130
    assert of(backend, "talk", ended=True)[0]["end"]["reason"] == "stopped"


def test_without_a_prompt_wait_waits_for_the_end(backend: Backend) -> None:
    declare(backend, "talk")
    results: list[subprocess.CompletedProcess[str]] = []
    thread = threading.Thread(
        target=lambda: results.append(backend.artac("start", "--wait", "talk"))
    )
    thread.start()
    until(lambda: of(backend, "talk"), "it runs")
    backend.wait("talk", "idle")
    backend.artac("stop", "talk")
    thread.join(30)
    assert results[0].returncode == 0 and "ended: stopped" in results[0].stderr


def test_what_cannot_be_started_is_told_in_one_line(backend: Backend) -> None:
    declare(backend, "broken", "promt: hello")
    declare(backend, "elsewhere").write_text("cwd: /no/such/place\n")
    declare(backend, "taken")
    backend.run(name="taken")
    for name, code, told in (
        ("nobody", 4, "nobody.yaml; `artac declared` lists"),
        ("broken", 78, "broken.yaml:2: unknown key 'promt'; did you mean prompt?"),
        ("elsewhere", 2, "/no/such/place: No such file or directory"),
        ("taken", 6, "running under the name 'taken'"),
        ("..", 2, "is no declared session's name"),
        ("a b", 2, "is not allowed"),
    ):
        done = backend.artac("start", name, check=False)
        assert done.returncode == code, (name, done)
        assert done.stderr.count("\n") == 1 and told in done.stderr and done.stdout == ""
    declare(backend, "fine")
    several = backend.artac("start", "nobody", "fine", check=False)
    assert several.returncode == 4 and "started" in several.stdout


def test_a_session_of_its_own_persistence(make_backend: MakeBackend) -> None:
    backend = make_backend().start()
    declare(backend, "lives", "persist: true")
    declare(backend, "ends")
    backend.artac("start", "lives", "ends")
    lives = backend.show("lives")
    assert lives["persistent"] and not backend.show("ends")["persistent"]
    backend.restart()
    assert backend.show("lives")["claude"] == lives["claude"]
    assert [session["name"] for session in backend.list(ended=False)] == ["lives"]
    found = backend.artac("run", "--persist", "--json")
    assert json.loads(found.stdout)["persistent"] is True


def test_env_and_limits_reach_the_session(backend: Backend) -> None:
    declare(backend, "api", "prompt: '!env COLOUR'\nenv: {COLOUR: red}\nlimits: {runtime: 1h}")
    answer = backend.call("POST", "/v1/declared/api/start")
    turn = backend.turn("api", answer["prompt"])
    assert "red" in turn["text"]
    assert backend.show("api")["limits"]["asked"] == ["runtime_max"]


def test_a_start_waits_for_the_stop_that_is_under_way(backend: Backend) -> None:
    declare(backend, "api", "prompt: '!ignore-term'")
    backend.artac("start", "api")
    backend.wait("api", "working,idle")
    stopping = threading.Thread(target=lambda: backend.artac("stop", "api"))
    stopping.start()
    until(lambda: backend.show("api")["state"] in ("stopping", "ended"), "it is being stopped")
    assert backend.call("POST", "/v1/declared/api/start")["started"] is True
    stopping.join(30)
    assert len(of(backend, "api")) == 1


# The listing


def test_the_listing_tells_the_state_of_each(backend: Backend) -> None:
    empty = backend.artac("declared")
    assert empty.stdout == "" and "nothing is declared in" in empty.stderr
    declare(backend, "runs", "prompt: hello\nstart: with-backend")
    declare(backend, "over")
    declare(backend, "never")
    declare(backend, "broken", "limits: 3")
    declare(backend, "open", mode=0o666)
    backend.artac("start", "runs", "over")
    backend.wait("runs", "idle")
    backend.artac("stop", "over")
    lines = {
        line.split()[0]: line.split() for line in backend.artac("declared").stdout.splitlines()
    }
    session = backend.show("runs")["id"]
    assert lines["runs"][1:4] == ["with-backend", "idle", session]
    assert lines["over"][1:4] == ["manual", "ended:stopped", "-"]
    assert lines["never"][1:4] == ["manual", "not-started", "-"]
    assert lines["broken"][2] == "broken" and lines["broken"][4].endswith("broken.yaml:2:")
    assert "chmod" in " ".join(lines["open"])
    rows = json.loads(backend.artac("declared", "--json").stdout)
    assert [row["name"] for row in rows] == ["broken", "never", "open", "over", "runs"]
    # Without its file a session goes on.
    (directory(backend) / "runs.yaml").unlink()
    assert "runs" not in declared(backend) and backend.show("runs")["state"] == "idle"


def test_a_directory_that_others_can_write_to_is_not_used(backend: Backend) -> None:
    declare(backend, "api")
    directory(backend).chmod(0o777)
    for words in (["declared"], ["start", "api"]):
        done = backend.artac(*words, check=False)
        assert done.returncode == 78 and "lets others write; run: chmod go-w" in done.stderr
    assert any(
        check["name"] == "declared sessions" and check["status"] == "fail"
        for check in backend.call("GET", "/v1/doctor")["checks"]
    )


def test_names_are_completed(backend: Backend) -> None:
    declare(backend, "api", "start: with-backend")
    declare(backend, "apo", "x: y")
    found = backend.artac("__complete", "start", "ap").stdout
    assert found == "api\tstarts with-backend\napo\tbroken\n"
    assert backend.artac("__complete", "start", "api", "ap").stdout == "apo\tbroken\n"


# With the backend


def test_those_that_come_with_the_backend(make_backend: MakeBackend) -> None:
    backend = make_backend(PERSIST_CLAUDE_SESSIONS="true")
    for name in ("b", "a"):
        declare(backend, name, "start: with-backend")
    declare(backend, "manual")
    declare(backend, "broken", "start: sometimes")
    backend.start()
    until(lambda: len(backend.list()) == 2, "both run")
    a, b = backend.show("a"), backend.show("b")
    assert a["created_at"] < b["created_at"] and "the starting backend" in a["created_by"]
    assert "broken.yaml:2: start: found 'sometimes'" in backend.wait_log("broken.yaml")
    doctor = {check["name"]: check for check in backend.call("GET", "/v1/doctor")["checks"]}
    assert "broken.yaml:2" in doctor["declared sessions"]["detail"]
    # One that lives is found again and not started twice; one that was stopped comes back.
    backend.artac("stop", "b")
    backend.restart()
    until(lambda: of(backend, "b"), "b is back")
    assert backend.show("a")["claude"] == a["claude"]
    assert len(of(backend, "a")) == 1 and backend.show("b")["id"] != b["id"]


@pytest.mark.parametrize("moment", ["first", "some", "all"])
def test_a_backend_killed_while_it_starts_them_starts_none_twice(
    make_backend: MakeBackend, moment: str
) -> None:
    backend = make_backend(PERSIST_CLAUDE_SESSIONS="true")
    names = ["a", "b", "c", "d"]
    for name in names:
        declare(backend, name, "start: with-backend\nprompt: hello")
    backend.start()
    sessions = backend.state / "sessions"
    wanted = {"first": 1, "some": 3, "all": 4}[moment]
    until(lambda: len(list(sessions.iterdir())) >= wanted, "some are being started")
    backend.kill()
    backend.start()
    until(lambda: len(backend.list(ended=False)) == 4, "all run")
    for name in names:
        backend.wait(name, "idle")
    assert sorted(session["name"] for session in backend.list(ended=False)) == names
    pids = {backend.show(name)["keeper"]["pid"] for name in names}
    keepers = [line for line in backend.leftovers() if "keeper/__main__.py" in line]
    assert {int(line.split()[0]) for line in keepers} == pids


def test_they_wait_in_the_queue_for_room(make_backend: MakeBackend) -> None:
    backend = make_backend(ARTAC_MAX_SESSIONS="1")
    declare(backend, "a", "start: with-backend")
    declare(backend, "b", "start: with-backend")
    backend.start()
    until(lambda: of(backend, "a"), "a runs")
    until(lambda: backend.call("GET", "/v1/health")["queued"] == 1, "b waits")
    assert not of(backend, "b")
    backend.artac("stop", "a")
    until(lambda: of(backend, "b"), "b runs")
    # A stop does not wait for one that waits.
    declare(backend, "c", "start: with-backend")
    backend.restart()
    until(lambda: backend.call("GET", "/v1/health")["queued"] == 1, "one waits")
    assert backend.stop() == 0
    backend.start()


def test_a_reload_reads_them_and_starts_nothing(make_backend: MakeBackend) -> None:
    backend = make_backend()
    declare(backend, "first", "start: with-backend")
    backend.start()
    until(lambda: of(backend, "first"), "those that come with it are read")
    declare(backend, "api", "start: with-backend")
    declare(backend, "broken", "start: sometimes")
    assert backend.process is not None
    backend.process.send_signal(signal.SIGHUP)
    assert "configuration read again" in backend.wait_log("found 'sometimes'")
    assert not of(backend, "api")
    backend.artac("start", "api")
    declare(backend, "api", "model: opus")
    backend.artac("stop", "api")
    backend.artac("start", "api")
    assert backend.show("api")["model"] == "opus"


# run --save


def test_what_is_saved_starts_the_same_again(backend: Backend) -> None:
    words = ["--model", "opus", "--allowed-tools", "Read,Bash(git *)", "--limit", "runtime=1h"]
    saved = backend.artac("run", "--save", "api", *words, "--wait", "hello\nyou")
    path = directory(backend) / "api.yaml"
    assert saved.stdout == "echo: hello\nyou\n" and f"written: {path}" in saved.stderr
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    first = backend.show("api")
    backend.artac("stop", "api")
    again = backend.artac("start", "--wait", "api")
    assert again.stdout == saved.stdout
    second = backend.show("api")
    same = ("cwd", "model", "allowed_tools", "kind", "permission_mode", "declared", "limits")
    assert [first[key] for key in same] == [second[key] for key in same]
    assert first["id"] != second["id"] and second["declared"] == "api"


def test_a_file_is_replaced_only_by_force(backend: Backend) -> None:
    path = declare(backend, "api", "model: opus")
    before = path.read_text()
    refused = backend.artac("run", "--save", "api", "hello", check=False)
    assert refused.returncode == 6 and f"{path} exists; --force replaces it" in refused.stderr
    assert path.read_text() == before and backend.list() == []
    backend.artac("run", "--save", "api", "--force", "hello")
    assert "prompt: hello" in path.read_text() and of(backend, "api")


def test_what_was_only_named_is_not_written(backend: Backend) -> None:
    backend.settings["COLOUR"] = "ultramarine"
    saved = backend.artac(
        *("run", "--save", "api", "--env", "COLOUR", "--env", "SHAPE=round", "--wait"),
        "!env COLOUR",
    )
    assert "ultramarine" in saved.stdout  # it runs with it
    text = (directory(backend) / "api.yaml").read_text()
    assert "ultramarine" not in text and "SHAPE: round" in text
    assert "not in the file, because it was given without a value: COLOUR" in saved.stderr


def test_a_dry_run_prints_and_does_nothing(backend: Backend) -> None:
    shown = backend.artac("run", "--save", "api", "--dry-run", "hello")
    assert shown.stdout == f"prompt: hello\nkind: headless\ncwd: {backend.work}\n"
    assert backend.list() == [] and not (backend.root / "config" / "sessions.d").exists()
    for words in (["--force"], ["--dry-run"], ["--save", "api", "--name", "other"]):
        assert backend.artac("run", *words, "hello", check=False).returncode == 2
    for name in ("a b", "..", "a/b", "-a"):
        refused = backend.artac("run", f"--save={name}", "hello", check=False)
        assert refused.returncode == 2 and refused.stderr.count("\n") == 1, refused


def test_a_terminal_session_is_saved_as_one(backend: Backend) -> None:
    backend.artac("run", "-d", "--save", "screen", "--no-persist")
    text = (directory(backend) / "screen.yaml").read_text()
    assert text == f"kind: terminal\ncwd: {backend.work}\npersist: false\n"
    backend.artac("kill", "screen")
    assert "started" in backend.artac("start", "screen").stdout
    assert backend.show("screen")["kind"] == "terminal"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a mount of its own")
def test_where_the_daemon_may_not_write_the_file_is_printed(make_backend: MakeBackend) -> None:
    backend = make_backend()
    config = backend.root / "config"
    # As ProtectSystem=full makes /etc: read-only, for root too.
    mount = [
        "unshare",
        "--mount",
        "sh",
        "-c",
        'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"',
    ]
    if subprocess.run([*mount, str(config), "true"], capture_output=True).returncode:
        pytest.skip("no mounts here")
    real = sys.executable
    try:
        sys.executable = str(_wrapper(backend.root, [*mount, str(config), real]))
        backend.start()
    finally:
        sys.executable = real
    refused = backend.artac("run", "--save", "api", "hello", check=False)
    assert refused.returncode == 5
    assert refused.stdout == f"prompt: hello\nkind: headless\ncwd: {backend.work}\n"
    assert refused.stderr.count("\n") == 1 and "Read-only file system" in refused.stderr
    assert "artac start api" in refused.stderr and backend.list() == []


def _wrapper(root: Path, command: list[str]) -> Path:
    path = root / "python"
    quoted = " ".join("'" + word + "'" for word in command)
    path.write_text(f'#!/bin/sh\nexec {quoted} "$@"\n')
    path.chmod(0o755)
    return path


def test_the_api_checks_what_it_is_given(backend: Backend) -> None:
    for body, told in (
        ({"contents": {}}, "unknown key"),
        ({"content": [1]}, "content must be an object"),
        ({"content": {"cwd": "/", "name": "x"}}, "has no key 'name'"),
        ({"content": {"cwd": "src"}}, "cwd: found 'src'"),
        ({"content": {"cwd": "/"}, "force": 1}, "force must be true or false"),
    ):
        with pytest.raises(ApiError) as refused:
            backend.call("PUT", "/v1/declared/api", body)
        assert refused.value.status == 400 and told in refused.value.message
    with pytest.raises(ApiError) as refused:
        backend.call("POST", "/v1/declared/api/start", {"cwd": "/"})
    assert refused.value.status == 400
    with pytest.raises(ApiError) as refused:
        backend.call("POST", "/v1/declared/%2E%2E%2Fapi/start")
    assert refused.value.status in (400, 404)


def test_who_would_not_wait_in_line_does_not_wait_for_one_who_does(
    make_backend: MakeBackend,
) -> None:
    backend = make_backend(ARTAC_MAX_SESSIONS="1").start()
    declare(backend, "api")
    backend.run(name="other")
    waiting = threading.Thread(
        target=backend.call, args=("POST", "/v1/declared/api/start", {"queue": 30})
    )
    waiting.start()
    until(lambda: backend.call("GET", "/v1/health")["queued"] == 1, "it waits")
    with pytest.raises(ApiError, match="max_sessions allows 1"):
        backend.call("POST", "/v1/declared/api/start", {}, timeout=5)
    backend.call("POST", "/v1/sessions/other/stop")
    waiting.join(30)
    assert len(of(backend, "api")) == 1


def test_of_many_who_save_one_name_at_once_one_does(backend: Backend) -> None:
    answers: list[str] = []

    def save(name: str, number: int) -> None:
        content = {"cwd": str(backend.work), "prompt": f"number {number}"}
        try:
            backend.call("PUT", f"/v1/declared/{name}", {"content": content})
            answers.append(f"number {number}")
        except ApiError as error:
            answers.append(error.kind)

    for name in ("a", "b", "c", "d"):
        threads = [threading.Thread(target=save, args=(name, number)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        (written,) = [answer for answer in answers if answer.startswith("number")]
        assert answers.count("conflict") == 7
        assert f"prompt: {written}\n" in (directory(backend) / f"{name}.yaml").read_text()
        answers.clear()
