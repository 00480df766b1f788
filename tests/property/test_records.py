"""What is on disk of a session: comes back as it was written, and no damage to it is raised."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from artac_daemon.host.store import Store
from artac_daemon.keeper import record
from artac_daemon.model.end import EndFacts
from artac_daemon.model.session import (
    ID_ALPHABET,
    Identity,
    Kind,
    Placement,
    SessionSpec,
    StopRequest,
    id_of_unit,
    is_id,
    unit_name,
)
from artac_daemon.model.tally import Tally
from tests.support import cache

ID = "k3f9q2"
FILES = ("spec", "keeper", "stop", "end")

ids = st.text(st.sampled_from(ID_ALPHABET), min_size=6, max_size=6)
texts = st.text(max_size=20)
times = st.floats(0, 1e11)
specs = st.builds(
    SessionSpec,
    id=ids,
    name=texts,
    kind=st.sampled_from(Kind),
    placement=st.sampled_from(Placement),
    persistent=st.booleans(),
    cwd=texts,
    claude_session_id=texts,
    created_at=times,
    boot_id=texts,
    model=texts,
    permission_mode=texts,
    allowed_tools=st.lists(texts, max_size=3).map(tuple),
    claude_args=st.lists(texts, max_size=3).map(tuple),
    env_names=st.lists(texts, max_size=3).map(tuple),
    created_by=texts,
    one_shot=texts,
    turn_timeout=st.none() | st.floats(0.001, 1e9),
    deny_permissions=st.booleans(),
)
stops = st.builds(
    StopRequest, by=texts, why=texts, at=times, limit_seconds=st.none() | st.floats(0, 1e9)
)
counts = st.integers(0, 1 << 31)
tallies = st.builds(
    Tally,
    **{
        field.name: st.none() | (times if field.name.endswith("_seconds") else counts)
        for field in fields(Tally)
    },
).filter(lambda tally: tally != Tally())  # which says no more than none
ends = st.builds(
    EndFacts,
    at=times,
    exit_code=st.none() | st.integers(0, 255),
    signal=st.none() | st.integers(1, 64),
    oom_kills=counts,
    stop=st.none() | stops,
    terminated=st.booleans(),
    host_stopping=st.booleans(),
    host_silent=st.booleans(),
    backend_gone=st.booleans(),
    left_behind=counts,
    error=texts,
    lost=texts,
    keeper=texts,
    tally=st.none() | tallies,
)
identities = st.builds(Identity, pid=st.integers(1, 1 << 22), start_time=counts, boot_id=texts)

VALID: dict[str, dict[str, Any]] = {
    "spec": SessionSpec(
        ID, "api", Kind.HEADLESS, Placement.SCOPE, True, "/srv", "claude", 1.5, "boot"
    ).to_json(),
    "keeper": Identity(1, 2, "boot").to_json(),
    "stop": StopRequest("root", "stop", 1.5).to_json(),
    "end": EndFacts(1.5, exit_code=0, stop=StopRequest("root", "stop", 1.5)).to_json(),
}
huge = st.sampled_from([10**400, float("inf"), float("-inf"), float("nan"), -1, 1 << 70])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts | huge,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)


def damaged(name: str) -> st.SearchStrategy[bytes]:
    """A record of that name with some keys changed, gone or added; or no record at all."""
    keys = st.sampled_from([*VALID[name], "more"])
    changed = st.dictionaries(keys, values, max_size=3).map(lambda new: {**VALID[name], **new})
    without = st.sets(keys).map(
        lambda gone: {key: value for key, value in VALID[name].items() if key not in gone}
    )
    whole = (changed | without | values).map(json.dumps).map(str.encode)
    torn = st.integers(0, 400).map(lambda end: json.dumps(VALID[name]).encode()[:end])
    return whole | torn | st.binary(max_size=100)


@contextmanager
def make_store() -> Iterator[Store]:
    """A store with one empty session."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        store.open()
        store.prepare(ID)
        yield store
        store.close()


@pytest.fixture
def store() -> Iterator[Store]:
    with make_store() as store:
        yield store


@pytest.fixture(scope="module")
def shared_store() -> Iterator[Store]:
    with make_store() as store:
        yield store


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def through_disk(content: dict[str, Any]) -> Any:
    return json.loads(json.dumps(content))


@given(specs)
def test_a_spec_comes_back_as_it_was(spec: SessionSpec) -> None:
    assert SessionSpec.from_json(through_disk(spec.to_json())) == spec


def test_an_end_of_an_older_keeper_is_read() -> None:
    """One of before there was a tally: a running keeper may be older than the daemon."""
    stop = {"by": "root (uid 0)", "why": "stop", "at": 1.0}
    old = {
        "version": 1, "at": 2.0, "stop": stop, "terminated": False, "host_stopping": False,
        "backend_gone": False, "exit_code": 0, "signal": None, "oom_kills": 2, "left_behind": 1,
    }  # fmt: skip
    found = EndFacts.from_json(through_disk(old))
    assert (found.tally, found.keeper, found.oom_kills) == (None, "", 2)
    assert found.stop == StopRequest("root (uid 0)", "stop", 1.0, None)


@given(ends)
def test_an_end_comes_back_as_it_was(end: EndFacts) -> None:
    assert EndFacts.from_json(through_disk(end.to_json())) == end


@given(stops)
def test_a_stop_comes_back_as_it_was(stop: StopRequest) -> None:
    assert StopRequest.from_json(through_disk(stop.to_json())) == stop


@given(identities)
def test_an_identity_comes_back_as_it_was(identity: Identity) -> None:
    assert Identity.from_json(through_disk(identity.to_json())) == identity


@given(ids | st.text(max_size=12))
def test_an_id_and_its_unit_tell_each_other(text: str) -> None:
    assert id_of_unit(unit_name(text)) == (text if is_id(text) else None)


@given(st.fixed_dictionaries({name: st.none() | damaged(name) for name in FILES}))
@example({"end": b'{"at": 1, "exit_code": Infinity}'})
@example({"keeper": json.dumps({**VALID["keeper"], "pid": 10**400}).encode()})
@example({"spec": json.dumps({**VALID["spec"], "created_at": 10**400}).encode()})
@example({"stop": json.dumps({**VALID["stop"], "at": 10**400}).encode()})
@example({"end": b"1" * 5000})
def test_damage_is_reported_and_never_raised(
    shared_store: Store, files: dict[str, bytes | None]
) -> None:
    store = shared_store
    for name in FILES:
        path = store.directory(ID) / name
        content = files.get(name)
        if content is None:
            path.unlink(missing_ok=True)
        else:
            path.write_bytes(content)
    stored = store.read(ID)
    blamed = {damage.partition(":")[0] for damage in stored.damage}
    for name in FILES:
        missing, known = files.get(name) is None, getattr(stored, name) is not None
        assert known == (not missing and name not in blamed)
    assert blamed <= set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_a_record_nested_too_deep_is_damage(store: Store, name: str) -> None:
    path = store.directory(ID) / name
    path.write_bytes(b'{"at":' + b"[" * 100_000)
    assert [damage.partition(":")[0] for damage in store.read(ID).damage] == [name]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("form", ["directory", "link", "too long"])
def test_what_is_no_file_of_ours_is_damage(store: Store, name: str, form: str) -> None:
    path, valid = store.directory(ID) / name, json.dumps(VALID[name])
    if form == "directory":
        path.mkdir()
    elif form == "link":
        (store.root / "elsewhere").write_text(valid)
        path.symlink_to(store.root / "elsewhere")
    else:
        path.write_text(valid[:-1] + ' , "pad": "' + "x" * (1 << 20) + '"}')
    assert [damage.partition(":")[0] for damage in store.read(ID).damage] == [name]


def test_the_record_of_another_session_is_damage(store: Store) -> None:
    path = store.directory(ID) / "spec"
    path.write_text(json.dumps({**VALID["spec"], "id": "bcdfgh"}))
    stored = store.read(ID)
    assert stored.spec is None and "bcdfgh" in stored.damage[0]


# What a writer that is killed leaves

_WRITER = """
import os, sys
sys.path.append(sys.argv[1])
from artac_daemon.keeper import record
left = int(sys.argv[3])
def counted(call):
    def counting(*args, **more):
        global left
        if left == 0:
            os._exit(9)
        left -= 1
        if call is os_write:
            args = (args[0], bytes(args[1])[:7])  # and in pieces, as a full disk takes it
        return call(*args, **more)
    return counting
os_write = os.write
for name in ("open", "write", "fsync", "close", "rename"):
    setattr(os, name, counted(getattr(os, name)))
record.write(sys.argv[2], "end", {"new": "content"})
"""


def write_until(folder: Path, calls: int) -> int:
    """Write the record in a process that ends without a word after so many system calls."""
    command = [sys.executable, "-I", "-S", "-c", _WRITER]
    return subprocess.run(
        [*command, str(cache.PROJECT), str(folder), str(calls)], check=False, timeout=60
    ).returncode


@pytest.mark.parametrize("old", [None, {"old": "content, and longer than the new one"}])
def test_a_record_is_whole_or_not_there_whenever_its_writer_is_killed(
    folder: Path, old: dict[str, object] | None
) -> None:
    found: list[object] = []
    for calls in range(100):
        (folder / "end").unlink(missing_ok=True)
        if old is not None:
            record.write(str(folder), "end", old)
        done = write_until(folder, calls)
        path = folder / "end"
        found.append(json.loads(path.read_text()) if path.exists() else None)
        if done == 0:
            break
        assert done == 9
    new = {"new": "content"}
    changed = found.index(new)
    assert changed > 5 and found == [old] * changed + [new] * (len(found) - changed)
    # What a killed one left beside it does not stand in the way of the next.
    assert write_until(folder, 1 + changed - 2) == 9
    record.write(str(folder), "end", {"next": 1})
    assert json.loads((folder / "end").read_text()) == {"next": 1}
    assert [path.name for path in folder.iterdir() if path.name[0] != "."] == ["end"]


def test_a_record_that_could_not_be_written_leaves_the_old_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record.write(str(folder), "end", {"old": 1})

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        record.write(str(folder), "end", {"new": 1})
    assert json.loads((folder / "end").read_text()) == {"old": 1}
    # A disk that is full is not filled further by every try.
    assert [path.name for path in folder.iterdir()] == ["end"]


def test_two_writers_at_once_leave_one_whole_record(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two stops of one session are noted in two threads of the backend."""
    both_open, long_written = threading.Barrier(2, timeout=20), threading.Event()
    os_open, os_write = os.open, os.write

    def open_together(*args: Any, **more: Any) -> int:
        fd = os_open(*args, **more)
        if args[1] & os.O_CREAT:
            both_open.wait()
        return fd

    def write_in_turn(fd: int, data: bytes) -> int:
        if b"short" in bytes(data):
            long_written.wait(20)
        done = os_write(fd, data)
        long_written.set()
        return done

    monkeypatch.setattr(os, "open", open_together)
    monkeypatch.setattr(os, "write", write_in_turn)
    problems: list[OSError] = []

    def write(content: dict[str, object]) -> None:
        try:
            record.write(str(folder), "stop", content)
        except OSError as problem:
            problems.append(problem)

    contents: list[dict[str, object]] = [{"by": "somebody with a long name"}, {"by": "short"}]
    threads = [threading.Thread(target=write, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    monkeypatch.undo()
    assert not problems
    assert json.loads((folder / "stop").read_text()) in contents
