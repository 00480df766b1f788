"""Messages: accepted on disk, delivered once and in order, listed, taken back, waited for."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from artac_daemon.daemon.message_scan import undelivered
from tests.daemon.test_adversity import fill
from tests.support.backend import ApiError, Backend, until

MakeBackend = Callable[..., Backend]
OLD = {"STANDIN_VERSION": "2.1.197"}


@pytest.fixture(params=["2.1.330", "2.1.197"])
def version(request: pytest.FixtureRequest) -> dict[str, str]:
    """The variables that make the stand-in speak as that version does."""
    return {"STANDIN_VERSION": request.param}


def listed(backend: Backend, ref: str) -> list[dict[str, Any]]:
    answer = backend.call("GET", f"/v1/sessions/{ref}/messages?all=1")
    found: list[dict[str, Any]] = answer["messages"]
    return found


def state(backend: Backend, ref: str, message: str) -> str:
    found = backend.call("GET", f"/v1/sessions/{ref}/messages/{message}")
    return str(found["message"]["state"])


def reaches(backend: Backend, ref: str, message: str, wanted: str) -> None:
    until(lambda: state(backend, ref, message) == wanted, f"message is {wanted}")


def results(backend: Backend, ref: str) -> list[str]:
    """What Claude has answered, turn by turn."""
    lines = [json.loads(line) for line in backend.output(ref).splitlines()]
    return [line.get("result", "") for line in lines if line["type"] == "result"]


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            pass


@contextmanager
def waiting(backend: Backend, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A command that waits, in the background."""
    with subprocess.Popen(
        [sys.executable, "-m", "artac_daemon.cli.main", *words],
        env=backend.environment(),
        cwd=backend.work,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as command:
        try:
            yield command
        finally:
            command.kill()


def busy(backend: Backend, seconds: float = 60, **content: Any) -> str:
    """The id of a session that is at a turn of that length."""
    session = backend.run(f"!slow {seconds}", **content)
    until(lambda: b'"subtype":"init"' in backend.output(session["id"]), "the turn's begin")
    backend.wait(session["id"], "working,idle")
    return str(session["id"])


# Once, whatever dies and when

STEPS = ["accepted", "delivered", "taken", "answered"]
VICTIMS = ["artacd", "claude", "session"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("victim", VICTIMS)
def test_whatever_dies_a_message_has_one_turn_or_its_sender_is_told(
    persistent: Backend, step: str, victim: str, version: dict[str, str]
) -> None:
    backend = persistent
    ref = backend.run(env=version)["id"]
    backend.wait(ref, "idle")
    shown = backend.show(ref)
    keeper, claude = shown["keeper"]["pid"], shown["claude"]["pid"]
    if step == "delivered":
        backend.send(ref, f"!slow {1.5 if victim == 'artacd' else 60} before")
        until(lambda: b'"subtype":"init"' in backend.output(ref), "the turn's begin")
    text = "!slow 0.5 mine" if step == "taken" else "mine"

    def strike() -> None:
        if victim == "artacd":
            backend.kill()
            return
        # A keeper that is killed takes its session along where there are cgroups.
        os.kill(claude, signal.SIGKILL)
        if victim == "session":
            with suppress(ProcessLookupError):
                os.kill(keeper, signal.SIGKILL)

    if step == "accepted":
        with stopped(keeper):
            sent = backend.send(ref, text)
            assert sent["state"] == "queued"
            strike()
    else:
        sent = backend.send(ref, text)
        if step == "taken":
            until(lambda: backend.output(ref).count(b'"subtype":"init"') == 1, "the turn's begin")
        elif step == "answered":
            pid = backend.process.pid if backend.process else 0
            until(lambda: results(backend, ref), "the result in the output")
            if victim == "artacd":
                os.kill(pid, signal.SIGSTOP)
        strike()
    if victim == "artacd":
        backend.start()
        assert backend.turn(ref, sent)["outcome"] == "success"
        assert state(backend, ref, sent["uuid"]) == "answered"
    else:
        backend.wait(ref)
        told, found = state(backend, ref, sent["uuid"]), backend.turn(ref, sent)
        expected = {"answered": "success"}.get(told, "session-ended")
        assert (found["outcome"], found["message"]) == (expected, told)
        assert told == {"accepted": "undelivered", "delivered": "undelivered"}.get(step, told)
    told = state(backend, ref, sent["uuid"])
    left = [message.uuid for message in undelivered(backend.state / "sessions" / ref)]
    assert left == ([sent["uuid"]] if told == "undelivered" else [])
    turns = [result for result in results(backend, ref) if "mine" in result]
    assert len(turns) == (1 if told == "answered" else 0)
    # A backend that finds it all on disk says the same.
    backend.kill()
    backend.start()
    assert state(backend, ref, sent["uuid"]) == told
    if victim == "artacd":
        assert backend.ask(ref, "and on")["outcome"] == "success"


def test_a_message_is_on_disk_before_its_sender_hears_of_it(persistent: Backend) -> None:
    ref = persistent.run()["id"]
    persistent.wait(ref, "idle")
    with stopped(persistent.show(ref)["keeper"]["pid"]):
        chosen = [persistent.send(ref, f"number {number}")["uuid"] for number in range(5)]
        file = persistent.state / "sessions" / ref / "messages"
        assert file.stat().st_mode & 0o777 == 0o600
        assert [json.loads(line)["uuid"] for line in file.read_bytes().splitlines()] == chosen
        persistent.kill()
        persistent.start()
        persistent.kill()
    persistent.start()
    last = {"uuid": chosen[-1], "offset": 0}
    assert persistent.turn(ref, last)["outcome"] == "success"
    said = "\n".join(results(persistent, ref))
    assert re.findall(r"number \d", said) == [f"number {number}" for number in range(5)]


def test_a_prompt_is_a_message_like_the_others(backend: Backend) -> None:
    session = backend.run("hello")
    assert backend.turn(session["id"], session["prompt"])["text"] == "echo: hello"
    (message,) = listed(backend, session["id"])
    assert (message["uuid"], message["head"]) == (session["prompt"]["uuid"], "hello")
    assert (message["state"], message["outcome"]) == ("answered", "success")


def test_the_same_message_twice_at_once_is_one(backend: Backend) -> None:
    ref, chosen = busy(backend, 1), str(uuid.uuid4())
    answers: list[dict[str, Any]] = []

    def send() -> None:
        answers.append(backend.send(ref, "once", chosen))

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer["duplicate"] for answer in answers) == [False] + [True] * 5
    assert backend.turn(ref, answers[0])["text"] == "echo: once"
    assert [message["uuid"] for message in listed(backend, ref)][1:] == [chosen]


def test_many_senders_keep_their_order_over_a_crash(persistent: Backend) -> None:
    ref = busy(persistent, 1)

    def send(sender: int) -> None:
        for number in range(8):
            persistent.send(ref, f"line {sender}.{number}")

    threads = [threading.Thread(target=send, args=(sender,)) for sender in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    accepted = [m["head"] for m in listed(persistent, ref) if m["head"].startswith("line")]
    assert len(accepted) == 48
    for sender in range(6):
        own = [line for line in accepted if line.startswith(f"line {sender}.")]
        assert own == [f"line {sender}.{number}" for number in range(8)]
    persistent.kill()
    persistent.start()
    persistent.wait(ref, "idle")
    assert re.findall(r"line \d\.\d", "\n".join(results(persistent, ref))) == accepted
    assert all(message["state"] == "answered" for message in listed(persistent, ref))


def test_a_large_file_of_messages_is_written_anew(persistent: Backend) -> None:
    ref = persistent.run()["id"]
    file = persistent.state / "sessions" / ref / "messages"
    for number in range(4):
        text = f"{number}" + "x" * 600_000
        assert persistent.ask(ref, text)["text"] == f"echo: {text}"
    until(lambda: file.stat().st_size < 1_000_000, "a smaller file")
    persistent.kill()
    persistent.start()
    assert [message["state"] for message in listed(persistent, ref)] == ["answered"] * 4
    assert persistent.ask(ref, "and on")["text"] == "echo: and on"


def test_a_disk_that_is_full_lets_no_message_be_accepted(small_disk: Backend) -> None:
    backend = small_disk
    ref = backend.run()["id"]
    backend.ask(ref, "before")
    filler = fill(backend)
    chosen = str(uuid.uuid4())
    refused = backend.artac("send", ref, "y" * 10_000, "--uuid", chosen, check=False)
    assert refused.returncode == 1 and "not accepted" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    filler.unlink()
    assert [message["head"] for message in listed(backend, ref)] == ["before"]
    assert backend.turn(ref, backend.send(ref, "after", chosen))["text"] == "echo: after"


# Taken back


def test_what_is_queued_is_dropped_and_stays_so(persistent: Backend) -> None:
    ref = persistent.run()["id"]
    persistent.wait(ref, "idle")
    with stopped(persistent.show(ref)["keeper"]["pid"]):
        first, second = persistent.send(ref, "first"), persistent.send(ref, "second")
        third = persistent.send(ref, "third")
        done = persistent.artac("cancel", ref, second["uuid"][:13])
        assert done.stdout == f"cancelled {second['uuid']}\n"
        shown = persistent.artac("messages", ref).stdout
        assert "first" in shown and "third" in shown and "second" not in shown
        persistent.kill()
    persistent.start()
    assert persistent.turn(ref, third)["outcome"] == "success"
    assert "second" not in "\n".join(results(persistent, ref))
    assert [message["state"] for message in listed(persistent, ref)] == [
        "answered", "cancelled", "answered",
    ]  # fmt: skip
    assert persistent.turn(ref, second)["outcome"] == "cancelled"
    again = persistent.send(ref, "second", second["uuid"])
    assert again["duplicate"] and again["state"] == "cancelled"
    assert persistent.turn(ref, first)["outcome"] == "success"


def test_what_is_with_claude_is_asked_back(persistent: Backend, version: dict[str, str]) -> None:
    ref = busy(persistent, 6, env=version)
    gone, stays = persistent.send(ref, "gone"), persistent.send(ref, "stays")
    reaches(persistent, ref, gone["uuid"], "delivered")
    told = json.loads(persistent.artac("cancel", "--json", ref, gone["uuid"]).stdout)
    assert told["state"] == "cancelled" and told["cancelled_by"]
    persistent.kill()
    persistent.start()
    assert persistent.turn(ref, stays)["text"] == "echo: stays"
    persistent.wait(ref, "idle")
    assert state(persistent, ref, gone["uuid"]) == "cancelled"
    assert "gone" not in "\n".join(results(persistent, ref))


def test_what_cannot_be_taken_back_is_said(backend: Backend, version: dict[str, str]) -> None:
    session = backend.run("!slow 6 done", env=version)
    ref, prompt = session["id"], session["prompt"]["uuid"]

    def refused(*words: str) -> tuple[int, str]:
        found = backend.artac("cancel", ref, *words, check=False)
        assert found.stdout == "" and len(found.stderr.splitlines()) == 1
        return found.returncode, found.stderr

    until(lambda: b'"subtype":"init"' in backend.output(ref), "the turn's begin")
    code, line = refused(prompt)
    assert (code == 6 and "begin" in line) or "begun" in line
    assert backend.turn(ref, session["prompt"])["text"] == "done"
    code, line = refused(prompt)
    assert code == 6 and "answered already" in line
    assert refused(str(uuid.uuid4()))[0] == 4
    assert refused("")[0] == 4
    assert refused()[0] == 2 and refused("--all", prompt)[0] == 2
    backend.send(ref, "!slow 60")
    with stopped(backend.show(ref)["keeper"]["pid"]):
        backend.send(ref, "on its way")
        sent = [backend.send(ref, f"n{n}", f"0000000{n}" + prompt[8:])["uuid"] for n in range(3)]
        code, line = refused("0000000")
        assert code == 6 and all(one in line for one in sent)
        backend.artac("cancel", ref, sent[0])
        code, line = refused(sent[0])
        assert code == 6 and "cancelled already" in line
    until(lambda: state(backend, ref, sent[2]) == "delivered", "all are with Claude")
    everything = backend.artac("cancel", ref, "--all")
    assert everything.stdout.splitlines()[:2] == [f"cancelled {one}" for one in (sent[2], sent[1])]
    assert len(everything.stdout.splitlines()) == 3
    assert backend.artac("messages", ref).stdout == ""
    assert json.loads(backend.artac("cancel", ref, "--all", "--json").stdout) == []


def test_what_is_on_its_way_to_a_claude_that_does_not_read(backend: Backend) -> None:
    ref = busy(backend)
    with stopped(backend.show(ref)["claude"]["pid"]):
        large = backend.send(ref, "x" * 1_000_000)
        assert large["state"] == "queued"
        behind = backend.send(ref, "behind it")
        backend.artac("cancel", ref, behind["uuid"])  # never was on its way
        told = backend.artac("cancel", ref, large["uuid"], check=False)
        assert told.returncode == 8 and "has not answered" in told.stderr
    reaches(backend, ref, large["uuid"], "cancelled")


def test_a_message_to_what_has_ended_or_is_no_queue(backend: Backend) -> None:
    ref = busy(backend)
    late = backend.send(ref, "too late")
    backend.call("POST", f"/v1/sessions/{ref}/stop?grace=1")
    with pytest.raises(ApiError) as refused:
        backend.send(ref, "hello")
    assert refused.value.kind == "not-running"
    assert state(backend, ref, late["uuid"]) == "undelivered"
    assert backend.artac("cancel", ref, late["uuid"], check=False).returncode == 3
    (found,) = json.loads(backend.artac("messages", "--json", ref).stdout)
    assert (found["uuid"], found["state"]) == (late["uuid"], "undelivered")
    (kept,) = undelivered(backend.state / "sessions" / ref)
    assert (kept.uuid, kept.text) == (late["uuid"], "too late")
    terminal = backend.run(kind="terminal", size=[80, 24])["id"]
    told = backend.artac("messages", terminal, check=False)
    assert told.returncode == 2 and "artac screen" in told.stderr
    assert len(told.stderr.splitlines()) == 1


# Waited for


def test_two_who_wait_for_a_merged_turn_get_its_result(
    persistent: Backend, version: dict[str, str]
) -> None:
    ref = busy(persistent, 10, env=version)
    with (
        waiting(persistent, "send", ref, "one", "--wait") as one,
        waiting(persistent, "send", ref, "two", "--wait") as two,
    ):
        until(lambda: len(listed(persistent, ref)) == 3, "both messages")
        persistent.kill()
        persistent.start()
        said = {one.communicate(timeout=30)[0], two.communicate(timeout=30)[0]}
    (merged,) = said
    assert merged in ("echo: one\ntwo\n", "echo: two\none\n")
    assert (one.returncode, two.returncode) == (0, 0)


def test_one_who_waits_for_a_message_that_is_cancelled_is_told(backend: Backend) -> None:
    ref = busy(backend)
    with waiting(backend, "send", ref, "never", "--wait") as command:
        message = until(lambda: listed(backend, ref)[1:], "the message")[0]
        backend.artac("cancel", ref, message["uuid"])
        _, said = command.communicate(timeout=30)
    assert command.returncode == 13 and "was cancelled" in said


def test_a_message_that_was_never_begun_with_is_told_so(backend: Backend) -> None:
    ref = busy(backend)
    with waiting(backend, "send", ref, "never", "--wait") as command:
        until(lambda: listed(backend, ref)[1:], "the message")
        backend.artac("kill", ref)
        _, said = command.communicate(timeout=30)
    assert command.returncode == 12 and "before Claude had begun with the message" in said


def test_a_timeout_says_where_the_message_is(backend: Backend, version: dict[str, str]) -> None:
    ref = busy(backend, env=version)

    def asked(text: str) -> str:
        found = backend.artac("send", ref, text, "--wait", "--timeout", "2s", check=False)
        assert found.returncode == 8 and len(found.stderr.splitlines()) == 1
        return found.stderr

    assert "with Claude, which has not begun with it" in asked("later")
    with stopped(backend.show(ref)["keeper"]["pid"]):
        assert "still queued" in asked("much later")
    backend.artac("cancel", ref, "--all")
    backend.artac("interrupt", ref)
    backend.wait(ref, "idle")
    if version != OLD:  # which tells only at the end of a turn that it has begun
        assert "being worked on" in asked("!slow 60")


def test_a_command_that_claude_does_not_replay_has_its_result(backend: Backend) -> None:
    """2.1.197 replays none of its own commands, so that its result comes without a word before."""
    ref = busy(backend, 1, env=OLD)
    sent = backend.send(ref, "/cost")
    assert backend.turn(ref, sent)["outcome"] == "success"
    assert backend.ask(ref, "hello")["text"] == "echo: hello"


def test_the_life_of_a_message_is_among_the_events(backend: Backend) -> None:
    ref = busy(backend)
    sent = backend.send(ref, "secret words")
    backend.artac("cancel", ref, sent["uuid"])
    told = [
        json.loads(line) for line in backend.artac("events", "--from-start").stdout.splitlines()
    ]
    of_it = [line for line in told if line.get("message") == sent["uuid"]]
    assert [line["event"] for line in of_it] == ["message-accepted", "message-cancelled"]
    assert "secret words" not in json.dumps(told) + backend.log()


def test_what_a_stop_took_back_is_undelivered_also_when_the_backend_died_of_it(
    persistent: Backend,
) -> None:
    ref = persistent.run("!ignore-eof")["id"]
    persistent.wait(ref, "idle")
    persistent.send(ref, "!slow 60")
    late = persistent.send(ref, "late")
    reaches(persistent, ref, late["uuid"], "delivered")
    with waiting(persistent, "stop", ref):
        taken_back = f'"{late["uuid"]}","state":"cancelled"'.encode()
        until(lambda: taken_back in persistent.output(ref), "Claude gives it back")
        until(lambda: persistent.output(ref).rstrip().endswith(b"}"), "whole lines")
        persistent.kill()
        persistent.start()
        persistent.wait(ref)
    assert state(persistent, ref, late["uuid"]) == "undelivered"
    answer = persistent.call("POST", f"/v1/sessions/{ref}/resume", {})
    assert answer["handed_down"] == 1
    assert persistent.turn(answer["session"]["id"], late)["text"] == "echo: late"
