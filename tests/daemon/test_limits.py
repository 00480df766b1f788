"""Limits where no cgroup is to be had: artac's own are kept, the kernel's are refused aloud."""

from __future__ import annotations

from typing import Any

import pytest

from tests.daemon.conftest import MakeBackend
from tests.support.backend import ApiError, Backend


def limit(backend: Backend, ref: str, force: bool = False, **limits: str) -> dict[str, Any]:
    body = {"limits": limits, "force": force}
    answer = backend.call("POST", f"/v1/sessions/{ref}/limits", body)
    values: dict[str, Any] = answer["session"]["limits"]["values"]
    return values


def test_runtime_max_ends_a_session_in_the_middle_of_a_turn(backend: Backend) -> None:
    session = backend.run("!slow 60", limits={"runtime": "1s"})
    end = backend.wait(session["id"])["end"]
    assert (end["reason"], end["stop"]["why"], end["stop"]["by"]) == ("limit", "limit", "artac")
    assert "runtime_max" in end["sentence"]


def test_runtime_max_counts_while_no_backend_runs(persistent: Backend) -> None:
    session = persistent.run(limits={"RuntimeMaxSec": "1s"})
    persistent.kill()
    persistent.start()
    assert persistent.wait(session["id"])["end"]["reason"] == "limit"


def test_runtime_max_is_changed_while_the_session_runs(persistent: Backend) -> None:
    session = persistent.run(limits={"runtime": "20s"})
    assert limit(persistent, session["id"], runtime="infinity")["runtime_max"] == "infinity"
    persistent.restart()
    assert persistent.show(session["id"])["limits"]["values"]["runtime_max"] == "infinity"
    assert persistent.ask(session["id"], "still here?")["outcome"] == "success"
    limit(persistent, session["id"], runtime_max="1s")
    lines = persistent.log().splitlines()
    assert any("limits changed: runtime_max=infinity" in line for line in lines)
    assert persistent.wait(session["id"])["end"]["reason"] == "limit"


def test_idle_timeout_ends_a_session_that_has_nothing_to_do(make_backend: MakeBackend) -> None:
    backend = make_backend(ARTAC_IDLE_TIMEOUT="1s").start()
    idle, busy = backend.run("hello"), backend.run("!slow 60")
    end = backend.wait(idle["id"])["end"]
    assert (end["reason"], end["exit_code"]) == ("timeout", 0)
    assert "idle_timeout" in end["sentence"]
    assert backend.show(busy["id"])["state"] == "working"


def test_a_persistent_session_is_ended_for_idleness_only_if_asked(
    make_backend: MakeBackend,
) -> None:
    backend = make_backend(PERSIST_CLAUDE_SESSIONS="true", ARTAC_IDLE_TIMEOUT="1s").start()
    spared, asked = backend.run("hello"), backend.run("hello", limits={"idle": "1s"})
    assert backend.wait(asked["id"])["end"]["reason"] == "timeout"
    assert backend.show(spared["id"])["state"] == "idle"
    limit(backend, spared["id"], idle="1s")
    assert backend.wait(spared["id"])["end"]["reason"] == "timeout"


def test_the_kernels_limits_are_refused_without_their_controllers(backend: Backend) -> None:
    assert "limits without effect: memory_high, memory_max" in backend.log()
    with pytest.raises(ApiError) as refused:
        backend.run(limits={"memory": "3G"})
    assert refused.value.kind == "conflict" and "memory_max: without effect" in str(refused.value)
    assert backend.list() == []
    session = backend.run()
    before = backend.show(session["id"])["limits"]
    assert "memory_max" in before["without_effect"]
    with pytest.raises(ApiError, match="tasks_max: without effect"):
        limit(backend, session["id"], runtime="5h", tasks="100")
    assert backend.show(session["id"])["limits"] == before


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"memory": "lots"}, "limit memory: found 'lots'; allowed: a size from 16M"),
        ({"memory": "1K"}, "limit memory: found '1K'"),
        ({"memory_max": "101%"}, "limit memory_max: found '101%'"),
        ({"tasks": "-5"}, "limit tasks: found '-5'"),
        ({"tasks": "0"}, "allowed: a number from 16"),
        ({"cpu": "2"}, "allowed: a percentage"),
        ({"cpu_weight": "0"}, "a number from 1 to 10000"),
        ({"runtime": "soon"}, "a duration from 1s"),
        ({"idle": "0"}, "a duration from 1s"),
        ({"disk": "3G"}, "there is no limit 'disk'; there are: memory_high, memory"),
        ({"": "3G"}, "there is no limit ''"),
        ({"memory": "3G", "MemoryMax": "4G"}, "memory_max is given twice"),
        ({"memory": 3}, "limits must be an object of names and texts"),
        (["memory"], "limits must be an object of names and texts"),
        ({"memory": "3G\n\x1b[2J"}, "limit memory: found "),
    ],
)
def test_a_bad_limit_is_refused_with_what_is_allowed(
    backend: Backend, limits: Any, said: str
) -> None:
    with pytest.raises(ApiError) as refused:
        backend.run(limits=limits)
    assert refused.value.kind == "usage" and said in str(refused.value)
    assert "\n" not in str(refused.value) and "\x1b" not in str(refused.value)
    assert backend.list() == []


def test_what_cannot_be_written_down_is_not_changed(backend: Backend) -> None:
    session = backend.run("hello")["id"]
    backend.wait(session, "idle")
    record = backend.state / "sessions" / session / "limits"
    record.unlink()
    record.mkdir()  # as good as a full disk: no file can take this name
    with pytest.raises(ApiError, match="limits could not be written"):
        limit(backend, session, runtime="1s")
    record.rmdir()
    assert backend.show(session)["limits"]["values"]["runtime_max"] == "infinity"
    answer = backend.call("GET", f"/v1/sessions/{session}/wait?for=ended&wait=2")
    assert answer["reached"] is False, "its keeper has the old limit, too"


def test_an_ended_session_keeps_its_limits(backend: Backend) -> None:
    session = backend.run("!exit 0", limits={"idle": "5h"})
    backend.wait(session["id"])
    with pytest.raises(ApiError) as refused:
        limit(backend, session["id"], idle="6h")
    assert refused.value.kind == "not-running"
    assert backend.show(session["id"])["limits"]["values"]["idle_timeout"] == "5h"
