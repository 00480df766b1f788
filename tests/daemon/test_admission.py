"""No session without room for it: refused with the figure, or queued."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.backend import ApiError, Backend, until

MakeBackend = Callable[..., Backend]


class Asker(threading.Thread):
    """A client that starts a session, waiting in the queue."""

    def __init__(self, backend: Backend, **content: Any) -> None:
        super().__init__(daemon=True)
        self._backend, self._content = backend, {"queue": 60, **content}
        self.session: dict[str, Any] = {}
        self.error: ApiError | None = None
        self.start()

    def run(self) -> None:
        try:
            self.session = self._backend.run(**self._content)
        except ApiError as error:
            self.error = error

    def finish(self) -> dict[str, Any]:
        self.join(30)
        assert not self.is_alive(), "it still waits"
        assert self.error is None, self.error
        return self.session


def queued(backend: Backend) -> int:
    number: int = backend.call("GET", "/v1/health")["queued"]
    return number


def queue(backend: Backend, place: int, **content: Any) -> Asker:
    """A request that is at that place of the queue."""
    asker = Asker(backend, **content)
    until(lambda: queued(backend) == place, f"{place} in the queue")
    return asker


def artac(backend: Backend, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "artac_daemon.cli.main", *words],
        env=backend.environment(),
        cwd=backend.work,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def write_settings(backend: Backend, text: str) -> None:
    (backend.root / "config" / "artac.yaml").write_text(text)


def reload(backend: Backend, text: str) -> None:
    write_settings(backend, text)
    assert backend.process is not None
    backend.process.send_signal(signal.SIGHUP)


def test_without_memory_nothing_is_started_until_a_reload(make_backend: MakeBackend) -> None:
    backend = make_backend()
    write_settings(backend, "min_memory_available: 100%\n")
    backend.start()
    with pytest.raises(ApiError) as refused:
        backend.run()
    assert (refused.value.status, refused.value.kind) == (429, "limit")
    assert "available, min_memory_available asks for" in refused.value.message
    assert "--queue" in refused.value.message
    assert backend.list() == []
    first = queue(backend, 1, name="first")
    second = queue(backend, 2, name="second")
    assert backend.list() == []
    reload(backend, "min_memory_available: 0\n")
    begun = [first.finish()["created_at"], second.finish()["created_at"]]
    assert begun == sorted(begun) and queued(backend) == 0


def test_an_end_lets_the_next_one_in_and_the_order_is_kept(make_backend: MakeBackend) -> None:
    backend = make_backend(ARTAC_MAX_SESSIONS="1").start()
    backend.run(name="s0")
    askers = [queue(backend, place, name=f"s{place}") for place in (1, 2, 3)]
    with pytest.raises(ApiError) as rushed:
        backend.run(name="s4")
    assert "3 requests are waiting before" in rushed.value.message
    for number, asker in enumerate(askers):
        assert [session["name"] for session in backend.list(ended=False)] == [f"s{number}"]
        backend.call("POST", f"/v1/sessions/s{number}/kill")
        assert asker.finish()["name"] == f"s{number + 1}"
    assert queued(backend) == 0


def test_a_client_that_goes_away_leaves_the_queue(make_backend: MakeBackend) -> None:
    backend = make_backend(ARTAC_MAX_SESSIONS="1").start()
    backend.run(name="s0")
    gone = artac(backend, "run", "--name", "gone", "--queue", "hello")
    until(lambda: queued(backend) == 1, "it waits")
    asker = queue(backend, 2, name="s1")
    gone.send_signal(signal.SIGINT)
    out, told = gone.communicate(timeout=20)
    assert gone.returncode == 130 and out == ""
    assert told == "artac: queued: 1 sessions are running, max_sessions allows 1\n"
    until(lambda: queued(backend) == 1, "it has left")
    backend.call("POST", "/v1/sessions/s0/kill")
    assert asker.finish()["name"] == "s1"
    assert {session["name"] for session in backend.list()} == {"s0", "s1"}


def test_the_queue_is_bounded_in_time_and_number(make_backend: MakeBackend) -> None:
    backend = make_backend(ARTAC_MAX_SESSIONS="1", ARTAC_MAX_QUEUE="1").start()
    backend.run(name="s0")
    with pytest.raises(ApiError) as late:
        backend.run(name="late", queue=0.1)
    assert late.value.kind == "limit" and "100ms" in late.value.message
    asker = queue(backend, 1, name="s1")
    with pytest.raises(ApiError) as full:
        backend.run(name="s2", queue=60)
    assert full.value.kind == "limit" and "max_queue" in full.value.message
    for wrong in (-1, 86401, "10min", True, [1]):
        with pytest.raises(ApiError) as refused:
            backend.run(queue=wrong)
        assert refused.value.kind == "usage"
    backend.call("POST", "/v1/sessions/s0/kill")
    asker.finish()


def test_what_waiting_cannot_mend_is_told_at_once(make_backend: MakeBackend) -> None:
    backend = make_backend(ARTAC_MAX_SESSIONS="1").start()
    backend.run(name="s0")
    with pytest.raises(ApiError) as refused:
        backend.run(name="s0", queue=60)
    assert refused.value.kind == "conflict"
    # A name that is free when the wait begins may be taken when it ends, and the other way round.
    first, second = queue(backend, 1, name="same"), queue(backend, 2, name="same")
    backend.call("POST", "/v1/sessions/s0/kill")
    first.finish()
    assert second.is_alive()
    backend.call("POST", "/v1/sessions/same/kill")
    assert second.finish()["name"] == "same"


@pytest.mark.parametrize("how", ["drain", "stop"])
def test_a_stop_answers_those_who_wait(make_backend: MakeBackend, how: str) -> None:
    backend = make_backend(ARTAC_MAX_SESSIONS="1").start()
    backend.run(name="s0")
    asker = queue(backend, 1, name="s1")
    if how == "drain":
        backend.call("POST", "/v1/drain")
        assert backend.call("GET", "/v1/health")["draining"]
    else:
        assert backend.stop() == 0
    asker.join(20)
    assert asker.error is not None and asker.error.kind == "unavailable"
    assert "stopping" in asker.error.message
    assert not (backend.state / "sessions").joinpath("s1").exists()


def test_the_command_refuses_queues_and_starts(make_backend: MakeBackend) -> None:
    backend = make_backend(ARTAC_MAX_SESSIONS="1").start()
    backend.run(name="s0")
    refused = artac(backend, "run", "hello")
    _, told = refused.communicate(timeout=20)
    assert refused.returncode == 9
    assert "max_sessions allows 1" in told and "artac run --queue" in told
    late = artac(backend, "run", "--queue=200ms", "hello")
    _, told = late.communicate(timeout=20)
    assert late.returncode == 9 and "queued:" in told and "200ms" in told
    waits = artac(backend, "run", "--queue", "--wait", "hello")
    until(lambda: queued(backend) == 1, "it waits")
    backend.call("POST", "/v1/sessions/s0/kill")
    out, told = waits.communicate(timeout=30)
    assert (waits.returncode, out) == (0, "echo: hello\n")
    lines = told.splitlines()
    assert lines[0].startswith("artac: queued: ") and lines[1].startswith("artac: started ")
