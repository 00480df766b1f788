"""Restart policies: what fails comes back, bounded; what ended on purpose does not."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

import pytest

from tests.daemon.conftest import MakeBackend
from tests.support.backend import ApiError, Backend, until

SOON = {"ARTAC_RESTART_BACKOFF": "100ms", "PERSIST_CLAUDE_SESSIONS": "true"}


@pytest.fixture
def soon(make_backend: MakeBackend) -> Backend:
    return make_backend(**SOON).start()


def said(backend: Backend, **content: Any) -> dict[str, Any]:
    session = backend.run("remember the blue door", name="api", **content)
    backend.turn(session["id"], session["prompt"])
    until(lambda: b"echo" in _transcripts(backend), "the transcript")
    return session


def _transcripts(backend: Backend) -> bytes:
    return b"".join(path.read_bytes() for path in backend.home.rglob("*.jsonl"))


def crash(backend: Backend, ref: str) -> None:
    os.kill(backend.show(ref)["claude"]["pid"], signal.SIGKILL)


def successor(backend: Backend, old: str) -> dict[str, Any]:
    new = until(lambda: backend.show(old)["resumed_as"], f"{old} is resumed")
    return backend.show(new)


def other_boot(backend: Backend, session: str) -> None:
    """As if the machine had been started again since."""
    spec = backend.state / "sessions" / session / "spec"
    spec.write_text(json.dumps({**json.loads(spec.read_text()), "boot_id": "another"}))


def test_a_failure_comes_back_and_an_end_on_purpose_does_not(soon: Backend) -> None:
    old = said(soon, restart=["on-failure"])
    crash(soon, "api")
    new = successor(soon, old["id"])
    assert soon.ask(new["id"], "recall")["text"] == 'you said first: "remember the blue door"'
    assert len(new["restarts"]["attempts"]) == 1
    told = soon.artac("events").stdout
    assert '"event": "resumed"' in told and '"automatic": true' in told
    assert "tried 1 time" in soon.artac("restarts", "api").stdout
    # It is in the middle of nothing now, and a person ends it.
    soon.call("POST", "/v1/sessions/api/stop")
    soon.restart()
    assert soon.list(ended=False) == []
    assert soon.show(new["id"])["resumed_as"] is None


def test_attempts_are_bounded_also_over_restarts_of_the_backend(make_backend: MakeBackend) -> None:
    backend = make_backend(**SOON, ARTAC_RESTART_ATTEMPTS="3").start()
    said(backend, restart=["on-failure"])
    backend.stop()
    backend.settings["STANDIN_EXIT"] = "1"  # each one ends at its start, from now on
    backend.start()
    crash(backend, "api")
    until(lambda: len(backend.list()) > 2, "two attempts")
    backend.kill()
    backend.start()
    backend.wait_log("not resumed: it was tried 3 times within 10min")
    sessions = backend.list()
    # An attempt is counted before it is made, so one may have died with the backend.
    assert 3 <= len(sessions) <= 4 and all(session["end"] for session in sessions)
    last = sessions[-1]["id"]
    assert "tried 3 times" in backend.artac("restarts", last).stdout
    backend.restart()
    assert len(backend.list()) == len(sessions)
    assert '"event": "not-resumed"' in backend.artac("events").stdout


def test_one_that_ended_while_no_backend_ran_comes_back_with_the_next(soon: Backend) -> None:
    old = said(soon, restart=["on-failure"])
    pid = soon.show("api")["claude"]["pid"]
    soon.kill()
    os.kill(pid, signal.SIGKILL)
    until(lambda: not soon.leftovers(), "its end")
    soon.start()
    assert successor(soon, old["id"])["end"] is None


def test_one_that_cannot_be_resumed_says_why_and_is_not_tried_again(soon: Backend) -> None:
    old = said(soon, restart=["on-failure"])
    for file in soon.home.rglob("*.jsonl"):
        file.unlink()
    crash(soon, "api")
    soon.wait_log("not resumed: session")
    assert "its transcript is gone" in soon.show(old["id"])["restarts"]["why"]
    soon.restart()
    assert soon.log().count("not resumed:") == 1


def test_variables_keep_it_from_coming_back(soon: Backend) -> None:
    old = said(soon, restart=["on-failure"], env={"TOKEN": "x"})
    crash(soon, "api")
    soon.wait_log("not resumed: it was given variables")
    assert "TOKEN" in soon.artac("status", old["id"]).stdout


def test_the_policy_can_be_changed_later(make_backend: MakeBackend) -> None:
    backend = make_backend(**{**SOON, "ARTAC_RESTART_BACKOFF": "1min"}).start()
    old = said(backend)
    assert "restarts: no" in backend.artac("restarts", "api").stdout
    backend.artac("restarts", "api", "on-failure,on-boot")
    backend.restart()
    assert backend.show("api")["restart"] == ["on-failure", "on-boot"]
    crash(backend, "api")
    backend.wait("api")
    assert until(lambda: backend.show("api")["restarts"]["next_at"], "it is to come back")
    assert "next at" in backend.artac("restarts", "api").stdout
    backend.artac("restarts", "api", "no")
    assert backend.show(old["id"])["restarts"]["next_at"] is None
    for wrong in ("sometimes", "no,on-boot", ""):
        assert backend.artac("restarts", "api", wrong, check=False).returncode == 2
    with pytest.raises(ApiError, match="restart must be a list of on-failure and on-boot"):
        backend.run(restart=["always"])


def test_run_takes_a_policy(backend: Backend) -> None:
    backend.artac("run", "--name", "api", "--restart", "on-boot", "hello")
    assert backend.show("api")["restart"] == ["on-boot"]
    refused = backend.artac("run", "--restart", "always", "hello", check=False)
    assert refused.returncode == 2 and "no restart policy" in refused.stderr


def test_after_a_boot_those_come_back_that_did_not_end_on_purpose(soon: Backend) -> None:
    sessions = {}
    for name, policy in (("a", ["on-boot"]), ("b", ["on-boot"]), ("c", []), ("d", ["on-boot"])):
        session = soon.run(f"I am {name}", name=name, restart=policy)
        soon.turn(session["id"], session["prompt"])
        sessions[name] = session["id"]
    soon.call("POST", "/v1/sessions/d/stop")
    until(lambda: all(f"I am {name}".encode() in _transcripts(soon) for name in "abc"), "on disk")
    pids = [soon.show(name)[what]["pid"] for name in "abc" for what in ("keeper", "claude")]
    go_down(soon, pids)
    for session in sessions.values():
        other_boot(soon, session)
    soon.settings["ARTAC_RESTART_STAGGER"] = "100ms"
    soon.start()
    for name in "ab":
        new = successor(soon, sessions[name])
        assert soon.ask(new["id"], "recall")["text"] == f'you said first: "I am {name}"'
    live = {session["name"] for session in soon.list(ended=False)}
    assert live == {"a", "b"}
    # They came back, and do so once.
    soon.restart()
    assert {session["name"] for session in soon.list(ended=False)} == {"a", "b"}
    assert len(soon.list()) == 6


def test_a_pending_one_is_kept_whatever_is_to_be_forgotten(make_backend: MakeBackend) -> None:
    backend = make_backend(**SOON, ARTAC_KEEP_ENDED="0").start()
    said(backend, restart=["on-failure"])
    crash(backend, "api")
    until(lambda: [s for s in backend.list(ended=False) if s["resumes"]], "it is resumed")


def go_down(backend: Backend, pids: list[int]) -> None:
    """As a machine that loses its power; keepers come before their Claudes in `pids`."""
    backend.kill()
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:  # a Claude ends by itself once its keeper is gone
            continue
    until(lambda: not backend.leftovers(), "the machine is down")


def boot_with_one_place(backend: Backend) -> dict[str, str]:
    """As after a boot: of two sessions one is back, and the other is next; the ids of both."""
    ids = {}
    for name in ("a", "b"):
        session = backend.run(f"I am {name}", name=name, restart=["on-boot"])
        backend.turn(session["id"], session["prompt"])
        ids[name] = session["id"]
    until(lambda: all(f"I am {n}".encode() in _transcripts(backend) for n in "ab"), "on disk")
    pids = [backend.show(name)[what]["pid"] for name in "ab" for what in ("keeper", "claude")]
    go_down(backend, pids)
    for session in ids.values():
        other_boot(backend, session)
    backend.settings["ARTAC_MAX_SESSIONS"] = "1"
    backend.start()
    successor(backend, ids["a"])
    return ids


def queued(backend: Backend, number: int) -> None:
    until(lambda: backend.call("GET", "/v1/health")["queued"] == number, f"{number} in line")


def test_one_that_waits_in_line_at_boot_can_be_kept_from_coming(make_backend: MakeBackend) -> None:
    backend = make_backend(**SOON, ARTAC_RESTART_STAGGER="0s").start()
    boot_with_one_place(backend)
    queued(backend, 1)
    backend.artac("restarts", "b", "no")
    queued(backend, 0)
    assert backend.show("b")["end"]["reason"] == "lost"


def test_another_policy_lets_none_come_before_its_turn_at_boot(make_backend: MakeBackend) -> None:
    backend = make_backend(**SOON, ARTAC_RESTART_STAGGER="10min").start()
    ids = boot_with_one_place(backend)
    backend.artac("restarts", "b", "on-boot,on-failure")
    shown = backend.show(ids["b"])["restarts"]
    assert (len(shown["attempts"]), shown["next_at"] is None) == (0, False)
    backend.artac("restarts", "b", "on-failure")
    assert backend.show(ids["b"])["restarts"]["next_at"] is None


def test_a_declared_one_that_was_started_anew_does_not_come_back_beside_it(
    make_backend: MakeBackend,
) -> None:
    backend = make_backend(**{**SOON, "ARTAC_RESTART_BACKOFF": "10s"})
    files = backend.root / "config" / "sessions.d"
    files.mkdir(mode=0o700)
    (files / "api.yaml").write_text(f"cwd: {backend.work}\nprompt: hello\nrestart: on-failure\n")
    backend.start()
    backend.artac("start", "api")
    old = backend.show("api")["id"]
    until(lambda: b"echo" in _transcripts(backend), "the transcript")
    crash(backend, "api")
    backend.wait(old)
    backend.artac("start", "api")
    backend.wait_log("was started of the same file")
    assert [session["name"] for session in backend.list(ended=False)] == ["api"]
    assert backend.show(old)["resumed_as"] is None
