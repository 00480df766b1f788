"""What is told, when it is not told any more, and when it is tried again."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from artac_daemon.daemon.notification_queue import Queue
from artac_daemon.daemon.webhook import signature
from artac_daemon.host import desktop, notify_secret
from artac_daemon.host.notify_checks import notifications
from artac_daemon.model.errors import ArtacError
from artac_daemon.model.notification import Occasion, of_event, pause
from artac_daemon.model.notify_kinds import Desktop, Program, WebhookUrl, host_of
from artac_daemon.model.setting_kinds import Refused
from artac_daemon.model.settings import Settings

ALL = tuple(Occasion)
SECRET = "0123456789abcdef-of-a-test"


def state(new: str, old: str = "working", session: str = "bcdfg2") -> dict[str, Any]:
    return {
        "event": "state", "session": session, "name": "n", "at": 1.0, "old": old, "new": new,
    }  # fmt: skip


def ended(session: str = "bcdfg2") -> dict[str, Any]:
    return {
        "event": "ended", "session": session, "name": "n", "at": 2.0,
        "reason": "completed", "sentence": "It is done.",
    }  # fmt: skip


def told(queue: Queue, now: float) -> list[str]:
    """What is due, told at once."""
    found = []
    while (item := queue.begin(now)) is not None:
        queue.finish(item)
        found.append(item.notification.occasion.value)
    return found


def filled(*events: dict[str, Any]) -> Queue:
    queue = Queue(100)
    for number, event in enumerate(events, 1):
        queue.take(event, 100 + number, ALL, 0.0, 2.0)
    return queue


@pytest.mark.parametrize(
    ("event", "occasion"),
    [
        (state("idle"), "idle"),
        (state("idle", "needs-permission"), "idle"),
        (state("idle", "starting"), None),
        (state("idle", "unresponsive"), None),
        (state("needs-permission"), "needs-permission"),
        (state("working", "idle"), None),
        (ended(), "ended"),
        ({"event": "backend-started", "session": None, "name": None}, None),
        ({"event": "ended"}, "ended"),  # damaged: told as far as it goes
    ],
)
def test_what_is_told(event: dict[str, Any], occasion: str | None) -> None:
    found = of_event(event, 7)
    assert (found.occasion.value if found else None) == occasion


def test_the_json_is_the_same_each_time() -> None:
    found = of_event(ended(), 7)
    assert found is not None and found.body(host="h") == found.body(host="h")
    assert json.loads(found.body(host="h", account="a")) == {
        "id": "bcdfg2-7", "event": "ended", "at": 2.0, "cursor": "7", "session": "bcdfg2",
        "name": "n", "host": "h", "account": "a", "reason": "completed", "sentence": "It is done.",
    }  # fmt: skip


def test_a_state_is_told_when_it_has_lasted_and_an_end_at_once() -> None:
    assert told(filled(state("idle")), 1.9) == []
    assert told(filled(state("idle")), 2.0) == ["idle"]
    assert told(filled(state("idle"), ended()), 0.0) == ["ended"]


@pytest.mark.parametrize(
    "after",
    [
        state("working", "idle"),
        ended(),
        {"event": "removed", "session": "bcdfg2"},
        {"event": "adopted", "session": "bcdfg2", "state": "working"},
    ],
)
def test_what_has_passed_is_not_told(after: dict[str, Any]) -> None:
    assert "idle" not in told(filled(state("idle"), after), 9.0)


def test_flapping_is_told_once() -> None:
    flaps = [state("idle"), state("working", "idle")] * 20
    assert told(filled(*flaps, state("idle")), 9.0) == ["idle"]


def test_what_does_not_change_the_state_outdates_nothing() -> None:
    same = {"event": "adopted", "session": "bcdfg2", "state": "idle"}
    other = state("working", "idle", session="bcdfg3")
    assert told(filled(state("idle"), same, other, {"event": "limits"}), 9.0) == ["idle"]


def test_what_is_being_told_is_finished_and_not_tried_again_once_outdated() -> None:
    queue = filled(state("idle"))
    item = queue.begin(2.0)
    assert item is not None and not item.outdated
    queue.take(state("working", "idle"), 110, ALL, 3.0, 2.0)
    assert item.outdated and len(queue) == 1
    queue.finish(item)
    assert len(queue) == 0 and queue.mark == 110


def test_events_of_a_session_stay_in_order_and_hold_up_no_other() -> None:
    queue = filled(ended(), ended(), ended("bcdfg3"))
    first = queue.begin(0.0)
    other = queue.begin(0.0)
    assert first and other and queue.begin(0.0) is None
    assert other.notification.session == "bcdfg3"
    queue.put_off(first, 5.0)
    assert queue.next_due(1.0) == 4.0 and queue.begin(4.9) is None
    queue.finish(other)
    assert queue.begin(5.0) is first


def test_the_mark_is_before_the_first_that_is_not_told() -> None:
    queue = filled(state("working", "idle"), ended(), ended("bcdfg3"))
    assert queue.mark == 101
    first, second = queue.begin(0.0), queue.begin(0.0)
    assert first and second
    queue.finish(second)
    assert queue.mark == 101
    queue.finish(first)
    assert queue.mark == queue.position == 103


def test_only_what_is_wanted_is_told() -> None:
    queue = Queue(0)
    queue.take(state("idle"), 10, (Occasion.ENDED,), 0.0, 2.0)
    queue.take(ended(), 20, (Occasion.ENDED,), 0.0, 2.0)
    assert told(queue, 9.0) == ["ended"] and queue.mark == 20


def test_pauses_grow_to_a_minute_and_are_spread() -> None:
    assert [pause(n, 1.0) for n in range(1, 9)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert [pause(n, 0.0) for n in (1, 2, 7, 10_000)] == [0.5, 1, 30, 30]


def test_the_signature_is_what_openssl_makes_of_it(tmp_path: Path) -> None:
    (tmp_path / "signed").write_bytes(b'1790000000.{"id": "x"}')
    command = ["openssl", "dgst", "-sha256", "-hmac", SECRET, str(tmp_path / "signed")]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    made = signature(SECRET.encode(), 1790000000, b'{"id": "x"}')
    assert made == f"sha256={said.split()[-1]}"


@pytest.mark.parametrize(
    "url",
    [
        "", "https://example.org", "https://example.org:8443/a/b?c=d%20e", "https://[2001:db8::1]/",
        "http://127.0.0.1:8080/x", "http://127.1.2.3/", "http://[::1]:1/", "http://localhost/x",
        "https://10.0.0.1/x",
    ],
)  # fmt: skip
def test_urls_that_are_allowed(url: str) -> None:
    assert WebhookUrl().parse(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/", "http://10.0.0.1/", "http://127.0.0.1.example.org/",
        "http://localhost.example.org/", "http://0.0.0.0/", "http://0x7f000001/", "http://[::]/",
        "https://user:password@example.org/", "https://user@example.org/", "https://",
        "https:///x", "ftp://example.org/", "example.org", "//example.org", "file:///etc/passwd",
        "https://example.org/#x", "https://example.org/ x", "https://example.org/\n",
        "https://example.org:0/", "https://example.org:99999/", "https://example.org:x/",
        "https://exämple.org/", "https://exa%6dple.org/", "http://127.0.0.1\\@example.org/",
        "http://[::1%25lo]/", "https://[::1/",
    ],
)  # fmt: skip
def test_urls_that_are_refused(url: str) -> None:
    if url.endswith("\n"):
        assert WebhookUrl().parse(url) == url.strip()
        return
    with pytest.raises(Refused) as refused:
        WebhookUrl().parse(url)
    assert "password" not in str(refused.value)


def test_a_log_line_has_nothing_of_a_url_but_its_host() -> None:
    assert host_of("https://example.org:8443/s3cr3t?token=x") == "https://example.org:8443"


def test_a_program_is_named_by_its_whole_path() -> None:
    assert Program().parse(["/bin/x", "a b", ""]) == ("/bin/x", "a b", "")
    for words in (["x"], ["./x"], [""], ["/bin/x\n"]):
        with pytest.raises(Refused):
            Program().parse(words)


@pytest.mark.parametrize(
    ("content", "mode", "problem"),
    [
        (SECRET + "\n", 0o600, ""),
        (SECRET, 0o400, ""),
        (SECRET, 0o640, "mode 0640 lets other users read it"),
        (SECRET, 0o604, "mode 0604 lets other users read it"),
        ("short", 0o600, "16 to 4096 bytes"),
        ("x" * 5000, 0o600, "16 to 4096 bytes"),
    ],
)
def test_a_secret_is_private_and_long(
    tmp_path: Path, content: str, mode: int, problem: str
) -> None:
    file = tmp_path / "secret"
    file.write_text(content)
    file.chmod(mode)
    if not problem:
        assert notify_secret.read(str(file), {}) == SECRET.encode()
        return
    with pytest.raises(ArtacError, match=problem) as refused:
        notify_secret.read(str(file), {})
    assert content not in refused.value.message


def test_where_there_is_no_secret_it_is_said_what_to_do(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for file, words in (
        ("", "set notify_secret_file"),
        (str(tmp_path), "Is a directory"),
        (str(tmp_path / "fifo"), "not a regular file"),
        (str(tmp_path / "x"), "No such file"),
    ):
        with pytest.raises(ArtacError, match=words):
            notify_secret.read(file, {})
    credentials = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    (tmp_path / "notify-secret").write_text(SECRET)
    assert notify_secret.read("", credentials) == SECRET.encode()


def test_a_desktop_is_told_where_there_is_a_bus(tmp_path: Path) -> None:
    named = {"DBUS_SESSION_BUS_ADDRESS": "unix:path=/x"}
    runtime = {"XDG_RUNTIME_DIR": str(tmp_path)}
    assert desktop.bus(named, Desktop.AUTO) == desktop.bus(named, Desktop.TRUE) == "unix:path=/x"
    assert desktop.bus(named, Desktop.FALSE) == desktop.bus(runtime, Desktop.TRUE) == ""
    (tmp_path / "bus").touch()
    assert desktop.bus(runtime, Desktop.AUTO) == ""
    assert desktop.bus(runtime, Desktop.TRUE) == f"unix:path={tmp_path}/bus"


def checks(**settings: Any) -> dict[str, tuple[str, str, str]]:
    found = notifications(Settings(**settings), {"PATH": ""}, True)
    return {name: (status, detail, fix) for name, status, detail, fix in found}


def test_doctor_looks_at_what_is_needed(tmp_path: Path) -> None:
    assert checks()["notifications"][0] == "skip"
    assert checks(notify_on=ALL)["notifications"][0] == "warn"
    program = tmp_path / "tell"
    command = (str(program),)
    assert checks(notify_on=ALL, notify_command=command)["notify_command"][0] == "fail"
    for mode, status in ((0o644, "fail"), (0o757, "fail"), (0o755, "ok")):
        program.touch()
        program.chmod(mode)
        assert checks(notify_on=ALL, notify_command=command)["notify_command"][0] == status
    url = "https://example.org/t0ken"
    status, detail, fix = checks(notify_on=ALL, notify_url=url)["notify_url"]
    assert status == "fail" and "notify_secret_file" in detail and "notify-secret" in fix
    secret = tmp_path / "secret"
    posts = {"notify_on": ALL, "notify_url": url, "notify_secret_file": str(secret)}
    assert "openssl" in checks(**posts)["notify_url"][2]
    secret.write_text(SECRET)
    secret.chmod(0o644)
    assert checks(**posts)["notify_url"][2] == f"chmod 600 {secret}"
    secret.chmod(0o600)
    status, detail, _ = checks(**posts)["notify_url"]
    assert status == "ok" and "t0ken" not in detail and SECRET not in detail
    assert checks(notify_on=ALL, notify_desktop=Desktop.TRUE)["notify_desktop"][0] == "fail"
