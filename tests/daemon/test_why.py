"""Each reason of an end, brought about or read from disk: what `why` and the lists say of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from artac_daemon.keeper import record
from artac_daemon.model.end import EndFacts
from artac_daemon.model.session import StopRequest
from artac_daemon.model.tally import Tally
from tests.support import cache
from tests.support.backend import ApiError, Backend, until


def artac(backend: Backend, *words: str) -> subprocess.CompletedProcess[str]:
    """The command, as somebody types it in a terminal of 80 columns."""
    environment = {
        name: value
        for name, value in backend.environment().items()
        if not name.startswith("ARTAC_") and name != "CLAUDE_CODE_PATH"
    }
    return subprocess.run(
        [sys.executable, "-m", "artac_daemon.cli.main", "--socket", str(backend.socket), *words],
        env=environment,
        cwd=cache.PROJECT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


@dataclass
class Told:
    """What `artac why` tells: the sentence, and the evidence by its name."""

    sentence: str
    evidence: dict[str, str]
    raw: dict[str, Any]


def why(backend: Backend, session_id: str, reason: str | None) -> Told:
    """What is told of a session, once all who tell its reason have been seen to agree on it."""
    asked = artac(backend, "why", "--json", session_id)
    assert (asked.returncode, asked.stderr) == (0, "")
    found = json.loads(asked.stdout)
    assert found["verdict"]["reason"] == reason
    listed = json.loads(artac(backend, "ls", "--all", "--json").stdout)
    end = next(session["end"] for session in listed if session["id"] == session_id)
    assert (end and end["reason"]) == reason
    shown = artac(backend, "why", session_id)
    assert shown.returncode == 0 and max(map(len, shown.stdout.splitlines())) <= 80
    head = " ".join(shown.stdout.partition("\n\n")[0].split())
    assert found["verdict"]["sentence"] in head and (reason or "not ended") in head
    if reason:
        assert f"ended:{reason}" in artac(backend, "ls", "--all").stdout
    evidence = {item["what"]: item["said"] for item in found["evidence"]}
    return Told(found["verdict"]["sentence"], evidence, found)


def pid(backend: Backend, session_id: str, what: str) -> int:
    return int(backend.show(session_id)[what]["pid"])


def idle(backend: Backend) -> str:
    session = backend.run("hello")
    backend.turn(session["id"], session["prompt"])
    backend.wait(session["id"], "idle")
    return str(session["id"])


def test_completed(backend: Backend) -> None:
    session = backend.run("!exit 0")["id"]
    backend.wait(session)
    told = why(backend, session, "completed")
    assert told.evidence["claude"] == "exited with code 0"
    assert told.evidence["asked"] == "nobody asked artac to end it"
    assert told.evidence["keeper"] == "saw the end and noted it"


def test_failed(backend: Backend) -> None:
    session = backend.run("!exit 1")["id"]
    backend.wait(session)
    told = why(backend, session, "failed")
    assert told.evidence["claude"] == "exited with code 1" and "guess" not in told.evidence
    assert told.evidence["last turn"] == "had not come to its result"


def test_what_only_may_be_so_is_marked(backend: Backend) -> None:
    session = idle(backend)
    os.kill(pid(backend, session, "claude"), signal.SIGTERM)
    backend.wait(session)
    told = why(backend, session, "failed")
    assert told.evidence["guess"].startswith("perhaps somebody sent Claude SIGTERM")
    assert [item["what"] for item in told.raw["evidence"] if not item["certain"]] == ["guess"]
    assert told.evidence["last turn"] == "was successful"


@pytest.mark.parametrize(("verb", "reason"), [("stop", "stopped"), ("kill", "killed")])
def test_asked_for(backend: Backend, verb: str, reason: str) -> None:
    session = idle(backend)
    assert artac(backend, verb, session).returncode == 0
    told = why(backend, session, reason)
    assert f"(uid {os.getuid()}) asked for it ({verb}) at " in told.evidence["asked"]


def test_killed_from_outside(backend: Backend) -> None:
    session = idle(backend)
    os.kill(pid(backend, session, "claude"), signal.SIGKILL)
    backend.wait(session)
    told = why(backend, session, "killed")
    assert told.evidence["claude"] == "was killed by signal 9 (SIGKILL)"
    assert told.evidence["guess"].startswith("perhaps the kernel")


@pytest.mark.parametrize("death", ["stop", "kill"])
def test_backend_stopped(backend: Backend, death: str) -> None:
    session = idle(backend)
    getattr(backend, death)()
    until(lambda: not backend.leftovers(), "the session has ended")
    backend.start()
    told = why(backend, session, "backend-stopped")
    if death == "stop":
        assert "the stopping backend asked for it (drain)" in told.evidence["asked"]
    else:
        assert "its link to the daemon had broken" in told.evidence["keeper"]


def test_the_keepers_own_end_is_told_by_the_daemon_that_started_it(backend: Backend) -> None:
    session = idle(backend)
    os.kill(pid(backend, session, "keeper"), signal.SIGKILL)
    backend.wait(session)
    told = why(backend, session, "lost")
    assert "signal SIGKILL" in told.sentence
    assert told.evidence["keeper"] == "ended (signal SIGKILL) and noted nothing"
    assert "when it was, nobody saw; last output at" in told.evidence["time"]
    backend.restart()
    assert why(backend, session, "lost").evidence["keeper"] == told.evidence["keeper"]


def test_the_end_of_a_keeper_that_nobody_saw_is_not_made_up(persistent: Backend) -> None:
    session = idle(persistent)
    keeper = pid(persistent, session, "keeper")
    persistent.kill()
    os.kill(keeper, signal.SIGKILL)
    until(lambda: not persistent.leftovers(), "Claude has seen the end of its input")
    persistent.start()
    told = why(persistent, session, "lost")
    assert "how it ended is not known" in told.evidence["keeper"]


def test_limit(backend: Backend) -> None:
    session = backend.run("!slow 60", limits={"runtime": "1s"})["id"]
    backend.wait(session)
    told = why(backend, session, "limit")
    assert "runtime_max of 1s" in told.sentence
    assert told.evidence["asked"].startswith("artac asked for it (limit of 1s) at ")


def test_timeout(backend: Backend) -> None:
    session = backend.run("hello", limits={"idle": "1s"})["id"]
    backend.wait(session)
    told = why(backend, session, "timeout")
    assert "idle_timeout of 1s" in told.sentence
    assert told.evidence["last turn"] == "was successful"


OOM = Tally(
    memory_high=5, memory_max=40, memory_oom=1, memory_oom_kill=1, memory_peak_bytes=3 << 30,
    tasks_refused=7, cpu_seconds=12.34, memory_stall_seconds=2.5,
)  # fmt: skip


@dataclass
class Noted:
    """An end that this machine cannot bring about, as a keeper notes it."""

    facts: EndFacts
    reason: str
    sentence: str
    evidence: dict[str, str]
    boot: str = ""


NOTED = {
    "oom": Noted(
        EndFacts(2.0, signal=9, oom_kills=1, tally=OOM),
        "oom",
        "the kernel killed claude because memory ran out (signal SIGKILL)",
        {
            "memory": "memory.events: high 5, max 40, oom 1, oom_kill 1; at most 3072M in use",
            "tasks": "7 new processes or threads were refused (pids.events: max)",
            "pressure": "its processes waited 2.5 s for memory",
            "cpu": "12.3 s of CPU time, in all",
        },
    ),
    "oom while it was stopped": Noted(
        EndFacts(2.0, signal=9, oom_kills=1, tally=OOM, stop=StopRequest("bob", "stop", 1.0)),
        "oom",
        "memory ran out",
        {"asked": "bob asked for it (stop)"},
    ),
    "a tool taken by the kernel": Noted(
        EndFacts(2.0, exit_code=0, oom_kills=2, tally=OOM),
        "completed",
        "the kernel killed 2 of its processes for want of memory meanwhile",
        {"claude": "exited with code 0"},
    ),
    "host-shutdown": Noted(
        EndFacts(2.0, exit_code=0, terminated=True, host_stopping=True),
        "host-shutdown",
        "the machine was shut down",
        {"keeper": "systemd told it that the machine was going down"},
    ),
    "a shutdown that systemd did not confirm": Noted(
        EndFacts(2.0, exit_code=0, terminated=True, host_silent=True),
        "stopped",
        "or its keeper sent SIGTERM",
        {"guess": "perhaps it ended because the machine was going down"},
        boot="another-boot",
    ),
    "a power cut": Noted(
        EndFacts(2.0, lost="the machine went down while it ran, and nobody could note how"),
        "lost",
        "the machine went down",
        {"machine": "was started again since, at ", "guess": "perhaps it ended when the machine"},
        boot="another-boot",
    ),
    "a keeper without words": Noted(
        EndFacts(2.0, lost="why", keeper="signal SIGKILL", tally=OOM),
        "lost",
        "(keeper: signal SIGKILL)",
        {"guess": "perhaps the kernel killed its keeper, too"},
    ),
}


@pytest.mark.parametrize("case", NOTED)
def test_a_noted_end_is_explained(backend: Backend, case: str) -> None:
    noted = NOTED[case]
    session = idle(backend)
    backend.stop()
    if noted.boot:
        rewrite(backend, session, lambda spec: {**spec, "boot_id": noted.boot})
    record.write(str(backend.state / "sessions" / session), "end", noted.facts.to_json())
    backend.start()
    told = why(backend, session, noted.reason)
    assert noted.sentence in told.sentence
    for what, said in noted.evidence.items():
        assert said in told.evidence[what]


def rewrite(backend: Backend, session: str, change: Callable[[Any], Any]) -> None:
    spec = backend.state / "sessions" / session / "spec"
    spec.write_text(json.dumps(change(json.loads(spec.read_text()))))


def test_a_live_session_is_told_of(backend: Backend) -> None:
    session = backend.run("!slow 60")["id"]
    backend.wait(session, "working")
    told = why(backend, session, None)
    assert "Claude is at work on a turn" in told.sentence
    assert told.evidence["last turn"] == "is under way"
    assert "sleeping" in told.evidence["claude"] and "asked" not in told.evidence


def test_an_unresponsive_session_is_told_of(persistent: Backend) -> None:
    session = idle(persistent)
    keeper = pid(persistent, session, "keeper")
    os.kill(keeper, signal.SIGSTOP)
    try:
        persistent.kill()
        persistent.start()
        told = why(persistent, session, None)
        assert "its keeper is alive and does not answer" in told.sentence
        assert f"pid {keeper}, stopped by a signal" in told.evidence["keeper"]
    finally:
        os.kill(keeper, signal.SIGCONT)
    persistent.wait(session, "idle")


def test_the_last_lines_are_shown_and_drive_no_terminal(backend: Backend) -> None:
    session = idle(backend)
    backend.ask(session, "!stderr it went \x1b[31mwrong\x07")
    backend.ask(session, "and now?")
    shown = artac(backend, "why", session, "-n", "2").stdout
    assert "  echo: and now?\n" in shown and "  it went wrong\n" in shown
    assert "> hello" not in shown and not {"\x1b", "\x07"} & set(shown)
    found = backend.call("GET", f"/v1/sessions/{session}/why?lines=1")
    assert len(found["last_output"]) == 1 and json.loads(found["last_output"][0])
    assert found["last_stderr"] == ["it went \x1b[31mwrong\x07"]
    assert "last output" not in artac(backend, "why", session, "-n", "0").stdout


def test_a_terminals_last_lines_are_shown_without_its_escapes(backend: Backend) -> None:
    session = backend.run(kind="terminal")["id"]
    until(lambda: b"> " in backend.output(session), "its prompt")
    backend.wait(session, "idle")
    told = why(backend, session, None)
    assert "waits for a message" in told.sentence and "last turn" not in told.evidence
    shown = artac(backend, "why", session).stdout
    assert "stand-in for claude" in shown and "\x1b" not in shown


def test_a_failed_turns_error_is_told(backend: Backend) -> None:
    session = idle(backend)
    backend.call("POST", f"/v1/sessions/{session}/kill")
    result = {"type": "result", "subtype": "success", "is_error": True, "result": "API Error: 529"}
    with (backend.state / "sessions" / session / "output").open("a") as output:
        output.write(json.dumps(result) + "\n")
    assert why(backend, session, "killed").evidence["last turn"] == "failed: API Error: 529"


def test_what_was_set_aside_is_said_to_be(backend: Backend) -> None:
    session = idle(backend)
    backend.stop()
    Path(backend.state, "sessions", session, "spec").write_text("{")
    backend.start()
    asked = artac(backend, "why", session)
    assert asked.returncode == 4 and asked.stdout == ""
    assert "damaged" in asked.stderr and str(backend.state / "damaged" / session) in asked.stderr
    assert artac(backend, "why", "nobody").returncode == 4


@pytest.mark.parametrize("lines", ["-1", "1001", "many", ""])
def test_a_wrong_number_of_lines_is_refused(backend: Backend, lines: str) -> None:
    session = backend.run()["id"]
    with pytest.raises(ApiError) as refused:
        backend.call("GET", f"/v1/sessions/{session}/why?lines={lines}")
    assert (refused.value.status, refused.value.kind) == (400, "usage")


def test_an_answer_does_not_grow_with_the_output(backend: Backend) -> None:
    session = idle(backend)
    backend.ask(session, f"!flood {8 << 20}")
    found = backend.call("GET", f"/v1/sessions/{session}/why?lines=1000")
    assert len(json.dumps(found)) < 1 << 20
