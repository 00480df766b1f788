"""Somebody is told what happens to sessions: by a program and by a post, whatever dies or hangs."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.conftest import MakeBackend
from tests.support import cache
from tests.support.backend import Backend, until
from tests.support.webhook_receiver import Post, Receiver, receiver

SECRET = "s3cr3t-of-a-test-0123456789"


# A line for each event, in one piece: several run beside each other.
NOTE = 'printf "%s\\n" "$(cat)" >>told'


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


def posting(make: MakeBackend, url: str, **settings: str) -> Backend:
    """A backend that posts, its secret in place and every word of its log kept."""
    backend = make(
        ARTAC_NOTIFY_ON="needs-permission,idle,ended",
        ARTAC_NOTIFY_AFTER="100ms",
        ARTAC_NOTIFY_URL=url,
        ARTAC_LOG_LEVEL="debug",
        **settings,
    )
    file = backend.root / "secret"
    file.write_text(SECRET)
    file.chmod(0o600)
    backend.settings["ARTAC_NOTIFY_SECRET_FILE"] = str(file)
    return backend


def program(backend: Backend, script: str) -> None:
    """Make it the program that is run."""
    path = backend.root / "tell"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    backend.settings["ARTAC_NOTIFY_COMMAND"] = f"{path} 'two words'"


def end(backend: Backend, name: str = "") -> str:
    """A session that has ended; its id."""
    session = backend.run("!exit 0", **({"name": name} if name else {}))["id"]
    backend.wait(session)
    return str(session)


def signed(post: Post) -> bool:
    at = post.headers["Artac-Timestamp"].encode()
    made = hmac.new(SECRET.encode(), at + b"." + post.body, hashlib.sha256).hexdigest()
    return post.headers["Artac-Signature"] == f"sha256={made}"


def assert_secret_is_nowhere(backend: Backend) -> None:
    assert SECRET not in backend.log()
    assert SECRET not in json.dumps(backend.call("GET", "/v1/config"))
    assert SECRET not in json.dumps(backend.call("GET", "/v1/doctor"))
    assert SECRET.encode() not in b"".join(
        path.read_bytes() for path in backend.state.rglob("*") if path.is_file()
    )


def told(backend: Backend, count: int) -> list[dict[str, Any]]:
    """What the program has written down, a line for each."""
    path = backend.root / "told"

    def look() -> list[str]:
        lines = path.read_text().splitlines() if path.exists() else []
        return lines if len(lines) >= count else []

    return [json.loads(line) for line in until(look, f"{count} told")]


# A program


def test_a_program_has_the_event_and_no_key(make_backend: MakeBackend) -> None:
    backend = make_backend(ARTAC_NOTIFY_ON="ended", ANTHROPIC_API_KEY="sk-ant-of-a-session")
    program(
        backend,
        'tr "\\n" " " >told.new; echo "$#:$1:$ARTAC_EVENT:$ARTAC_EVENT_ID:$ARTAC_EVENT_SESSION:'
        '$ARTAC_EVENT_NAME" >words; env >environment; mv told.new told',
    )
    backend.start()
    session = end(backend, "api")
    (event,) = told(backend, 1)
    assert event["event"] == "ended" and event["session"] == session and event["name"] == "api"
    assert event["reason"] == "completed" and event["sentence"] and event["at"] > 1e9
    assert event["id"] == f"{session}-{event['cursor']}" and event["host"] == socket.gethostname()
    words = (backend.root / "words").read_text().strip()
    assert words == f"1:two words:ended:{event['id']}:{session}:api"
    environment = (backend.root / "environment").read_text()
    assert "sk-ant" not in environment and "NOTIFY_SOCKET" not in environment
    # It may well run `artac`, which refuses variables of its naming that it does not know.
    names = re.findall(r"^(ARTAC_\w+)=", environment, re.M)
    assert "ARTAC_SESSION" not in names
    checked = subprocess.run(
        [sys.executable, "-m", "artac_daemon.cli.main", "config", "--check"],
        env={"PYTHONPATH": str(cache.PROJECT), "HOME": "/", **dict.fromkeys(names, "/x")},
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stderr


def test_a_program_that_hangs_is_killed_with_what_it_has_forked(make_backend: MakeBackend) -> None:
    backend = make_backend(ARTAC_NOTIFY_ON="ended", ARTAC_NOTIFY_TIMEOUT="1s")
    program(backend, "sleep 1237 & sleep 1237 & cat; yes; wait")
    backend.start()
    end(backend)
    log = backend.wait_log("took longer than 1s and was killed")
    until(lambda: not backend.leftovers()[1:], "nothing but the daemon")
    assert "two words" not in log and log.count("was not told") == 1
    program(backend, NOTE)
    session = end(backend)
    assert told(backend, 1)[0]["session"] == session
    backend.wait_log("works again; not told: 1")


def test_a_stop_cuts_a_program_off_and_the_next_backend_runs_it_again(
    make_backend: MakeBackend,
) -> None:
    backend = make_backend(ARTAC_NOTIFY_ON="ended")
    program(backend, f"{NOTE}; sleep 1237")
    backend.start()
    session = end(backend)
    told(backend, 1)
    assert backend.stop() == 0
    until(lambda: not backend.leftovers(), "nothing of the program")
    program(backend, NOTE)
    backend.start()
    first, second = told(backend, 2)
    assert first == second and first["session"] == session


def test_ends_by_the_stop_itself_are_told_before_it_is_over(make_backend: MakeBackend) -> None:
    backend = make_backend(ARTAC_NOTIFY_ON="ended")
    program(backend, NOTE)
    backend.start()
    sessions = {backend.run()["id"] for _ in range(3)}
    for session in sessions:
        backend.wait(session, "idle")
    assert backend.stop() == 0
    events = [json.loads(line) for line in (backend.root / "told").read_text().splitlines()]
    assert {event["session"] for event in events} == sessions and len(events) == 3
    assert {event["reason"] for event in events} == {"backend-stopped"}


# A post


def test_states_and_ends_are_posted_and_signed(make_backend: MakeBackend, hook: Receiver) -> None:
    # Whatever the environment says of proxies: nothing listens there.
    proxies = {"http_proxy": "http://127.0.0.1:9", "ALL_PROXY": "http://127.0.0.1:9"}
    backend = posting(make_backend, hook.url, **proxies).start()
    session = backend.run("!ask", name="api")["id"]
    (asked,) = hook.wait(event="needs-permission")
    assert [post.event["event"] for post in hook.posts] == ["needs-permission"]
    backend.call("POST", f"/v1/sessions/{session}/interrupt")
    (idle,) = hook.wait(event="idle")
    assert idle.event["old"] == "needs-permission"
    backend.call("POST", f"/v1/sessions/{session}/stop")
    (ended,) = hook.wait(event="ended")
    assert ended.event["reason"] == "stopped"
    for post in (asked, idle, ended):
        assert signed(post) and post.path == "/hook" and post.event["session"] == session
        assert post.headers["Content-Type"] == "application/json"
        assert post.headers["Artac-Delivery"] == post.event["id"]
        assert post.headers["Artac-Event"] == post.event["event"]
    assert len(hook.posts) == 3
    assert_secret_is_nowhere(backend)


def test_a_state_that_does_not_last_is_not_told(make_backend: MakeBackend, hook: Receiver) -> None:
    backend = posting(make_backend, hook.url)
    backend.settings["ARTAC_NOTIFY_AFTER"] = "1h"
    backend.start()
    session = backend.run("one")["id"]
    backend.wait(session, "idle")
    assert backend.ask(session, "two")["outcome"] == "success"
    backend.call("POST", f"/v1/sessions/{session}/stop")
    hook.wait(event="ended")
    assert [post.event["event"] for post in hook.posts] == ["ended"]


def test_what_fails_is_tried_again_as_it_was(make_backend: MakeBackend, hook: Receiver) -> None:
    backend = posting(make_backend, hook.url).start()
    hook.answer = lambda post: 204 if len(hook.posts) == 3 else 503
    end(backend)
    posts = hook.wait(3)
    assert len({post.body for post in posts}) == 1 and all(map(signed, posts))
    end(backend)
    assert len(hook.wait(4)) >= 4
    assert "was not told" not in backend.log()
    assert_secret_is_nowhere(backend)


@pytest.mark.parametrize(("status", "words"), [(302, "follows no redirection"), (403, "403")])
def test_other_answers_end_it_and_are_said_once(
    make_backend: MakeBackend, hook: Receiver, status: int, words: str
) -> None:
    backend = posting(make_backend, hook.url + "?token=t0ken").start()
    hook.answer, hook.location = status, hook.url.replace("/hook", "/elsewhere")
    first = end(backend)
    log = backend.wait_log("was not told")
    second = end(backend)
    hook.wait(session=second)
    hook.answer = 204
    third = end(backend)
    backend.wait_log("works again; not told: 2")
    assert [post.event["session"] for post in hook.posts] == [first, second, third]
    assert {post.path for post in hook.posts} == {"/hook?token=t0ken"}
    assert words in log and backend.log().count("was not told") == 1
    assert "t0ken" not in backend.log()


def test_a_receiver_that_hangs_holds_up_nobody(make_backend: MakeBackend, hook: Receiver) -> None:
    backend = posting(make_backend, hook.url, ARTAC_NOTIFY_TIMEOUT="1s")
    program(backend, NOTE)
    backend.start()
    go_on = threading.Event()

    def answer(post: Post) -> int:
        if post.event["name"] == "slow":
            go_on.wait(20)
        return 204

    hook.answer = answer
    slow = end(backend, "slow")
    hook.wait(session=slow)
    quick = end(backend, "quick")
    hook.wait(session=quick)
    assert {event["name"] for event in told(backend, 2)} == {"slow", "quick"}
    assert backend.call("GET", "/v1/health")["pid"]
    hook.wait(2, session=slow)  # after notify_timeout
    go_on.set()
    assert "was not told" not in backend.log()


def test_an_answer_that_takes_its_time_is_an_answer(
    make_backend: MakeBackend, hook: Receiver
) -> None:
    backend = posting(make_backend, hook.url).start()
    go_on = threading.Event()
    hook.answer = lambda post: 204 if go_on.wait(20) else 500
    first = end(backend)
    hook.wait(session=first)
    second = end(backend)
    hook.wait(session=second)  # four at once: the first is still waiting
    go_on.set()
    end(backend)
    hook.wait(3)
    assert len(hook.posts) == 3


def test_an_end_that_a_killed_backend_had_not_told_is_told_by_the_next(
    make_backend: MakeBackend, hook: Receiver
) -> None:
    backend = posting(make_backend, hook.url).start()
    taken: list[dict[str, Any]] = []

    def take(post: Post) -> int:
        taken.append(post.event)
        return 204

    hook.answer = 503
    session = end(backend)
    (first, *_) = hook.wait(session=session)
    backend.kill()
    hook.answer = take
    backend.start()
    until(lambda: taken, "the end, told")
    assert taken == [first.event]
    # The stop comes first: a backend killed before it has noted what it told may tell that again.
    for other in range(2):
        backend.kill() if other else backend.stop()
        backend.start()
        later = end(backend)
        until(lambda: taken[-1]["session"] == later, "a later end, told")  # noqa: B023
    assert [event["session"] for event in taken].count(session) == 1


def test_ends_while_no_backend_ran_are_told(make_backend: MakeBackend, hook: Receiver) -> None:
    backend = posting(make_backend, hook.url, PERSIST_CLAUDE_SESSIONS="true").start()
    session = backend.run("!slow 1")["id"]
    backend.wait(session, "working,idle")
    backend.hand(session, "!exit 7")
    backend.kill()
    until(lambda: not backend.leftovers(), "the session's end")
    backend.start()
    (post,) = hook.wait(event="ended")
    assert post.event["session"] == session and post.event["reason"] == "failed"


def test_a_reload_switches_it_on_for_what_comes(make_backend: MakeBackend, hook: Receiver) -> None:
    backend = posting(make_backend, hook.url)
    del backend.settings["ARTAC_NOTIFY_ON"]
    backend.start()
    end(backend)
    config = backend.root / "config/artac.yaml"
    assert backend.process is not None
    for notify_on, wanted in (("[ended]", True), ("[]", False), ("[ended]", True)):
        config.write_text(f"notify_on: {notify_on}\n")
        backend.process.send_signal(signal.SIGHUP)
        backend.wait_notified("READY=1")
        session = end(backend)
        if wanted:
            hook.wait(session=session)
        else:
            assert not (backend.state / "notified").exists()
    assert len(hook.posts) == 2


def test_nothing_is_posted_without_a_private_secret(
    make_backend: MakeBackend, hook: Receiver
) -> None:
    backend = posting(make_backend, hook.url)
    (backend.root / "secret").chmod(0o644)
    backend.start()
    assert "nothing can be posted" in backend.log()
    end(backend)
    backend.wait_log("was not told")
    checks = {check["name"]: check for check in backend.call("GET", "/v1/doctor")["checks"]}
    assert checks["notify_url"]["status"] == "fail" and "chmod 600" in checks["notify_url"]["fix"]
    assert not hook.posts
    assert_secret_is_nowhere(backend)


def test_the_receiver_of_the_page_takes_what_is_signed(
    make_backend: MakeBackend, tmp_path: Path
) -> None:
    page = (cache.PROJECT / "docs/notifications.md").read_text()
    (script,) = re.findall(r"```python\n(.*?)```", page, re.S)
    (tmp_path / "receiver.py").write_text(script)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    backend = posting(make_backend, f"http://127.0.0.1:{port}/")
    command = [sys.executable, str(tmp_path / "receiver.py"), str(backend.root / "secret")]
    with subprocess.Popen(
        [*command, str(port)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as taking:
        try:
            assert taking.stdout is not None
            backend.start()
            end(backend, "api")
            assert taking.stdout.readline().startswith("ended api ")
            wrong = tmp_path / "wrong"
            wrong.write_text("not-the-secret-of-it")
            wrong.chmod(0o600)
            backend.stop()
            backend.settings["ARTAC_NOTIFY_SECRET_FILE"] = str(wrong)
            backend.start()
            end(backend)
            backend.wait_log("answered 403")
        finally:
            taking.terminate()
