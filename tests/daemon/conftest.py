"""A backend for each test, and the proof that the test left nothing behind."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import capability
from tests.support.backend import Backend, until

MakeBackend = Callable[..., Backend]


@pytest.fixture
def make_backend() -> Iterator[MakeBackend]:
    """Makes backends with settings; each is ended and searched for what it left."""
    made: list[Backend] = []
    with tempfile.TemporaryDirectory(prefix="artac-") as root:

        def make(**settings: str) -> Backend:
            place = Path(root, str(len(made)))
            place.mkdir()
            made.append(Backend(place, **settings))
            return made[-1]

        try:
            yield make
            for backend in made:
                if backend.process is not None and backend.process.poll() is None:
                    backend.kill_all()
                    assert backend.stop() == 0, backend.log()
                until(lambda b=backend: not b.leftovers(), f"nothing left: {backend.leftovers()}")
                sockets = [str(path) for path in backend.state.rglob("*.sock")]
                assert not sockets, f"sockets left: {sockets}"
                halves = [str(path) for path in backend.state.rglob(".*")]
                assert not halves, f"half-written files left: {halves}"
                assert "Traceback" not in backend.log(), backend.log()
                for log in backend.state.rglob("keeper.log"):
                    assert not log.read_text(), log.read_text()
        finally:
            for backend in made:
                if backend.process is not None:
                    backend.kill()
                backend.end_leftovers()


@pytest.fixture
def backend(make_backend: MakeBackend) -> Backend:
    """A running backend whose sessions end with it."""
    return make_backend().start()


@pytest.fixture
def persistent(make_backend: MakeBackend) -> Backend:
    """A running backend whose sessions live on."""
    return make_backend(PERSIST_CLAUDE_SESSIONS="true").start()


@pytest.fixture
def small_disk(make_backend: MakeBackend) -> Iterator[Backend]:
    """A backend whose state is on a file system of its own that is easily filled."""
    backend = make_backend(PERSIST_CLAUDE_SESSIONS="true")
    capability.require(None if os.geteuid() == 0 else "mounting a file system needs root")
    backend.state.mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m,mode=0700", "artac-test", str(backend.state)]
    if subprocess.run(mount, capture_output=True).returncode:
        capability.require("this machine lets no file system be mounted")
    yield backend.start()
    backend.kill_all()
    backend.stop()
    subprocess.run(["umount", "--lazy", str(backend.state)], check=True)
