"""What artac prints: ages, sizes, tables, conversations; and nothing that drives a terminal."""

from __future__ import annotations

import json

import pytest

from artac_daemon.cli import processes, rendering
from artac_daemon.cli.escapes import Stripper, harmless, harmless_json, harmless_text
from artac_daemon.cli.transcript import Transcript
from artac_daemon.client.event_stream import Event, EventReader


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "0s"), (12.9, "12s"), (60, "1m"), (3599, "59m"), (7200, "2h"), (86400 * 2, "2d")],
)
def test_age(seconds: float, text: str) -> None:
    assert rendering.age(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, "-"), (0, "0B"), (512, "512B"), (1023, "1.0K"), (1536, "1.5K"),
        (213 << 20, "213M"), (1 << 30, "1.0G"), (10 << 40, "10T"),
    ],
)  # fmt: skip
def test_size(count: int | None, text: str) -> None:
    assert rendering.size(count) == text


def test_table_fits_a_terminal_and_is_whole_elsewhere() -> None:
    rows = [("a", "n" * 40, "idle", "/very/long/path/to/somewhere")]
    heads = ("ID", "NAME", "STATE", "CWD")
    whole = rendering.table(heads, rows, None)
    assert whole[1].endswith("/very/long/path/to/somewhere") and "n" * 40 in whole[1]
    cut = rendering.table(heads, rows, 50)
    assert max(map(len, cut)) <= 50
    assert cut[1].endswith("somewhere") and "…" in cut[1]


def test_wide_characters_are_counted() -> None:
    lines = rendering.table(("A", "B"), [("日本", "x"), ("é", "y")], None)
    assert [line.rstrip()[-1] for line in lines] == ["B", "x", "y"]
    assert rendering.width("日本") == 4 and rendering.width("e\u0301") == 1
    assert rendering.width(rendering.cut("日本語", 5)) <= 5


def test_state_of_an_ended_session() -> None:
    assert rendering.state({"state": "ended", "end": {"reason": "oom"}}) == "ended:oom"
    assert rendering.ending({"reason": "stopped", "sentence": "stopped by x"}) == "stopped by x"
    assert rendering.ending({"reason": "oom", "sentence": "killed"}) == "oom: killed"


def test_paths_are_short_and_harmless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/u")
    assert rendering.path("/home/u/src") == "~/src"
    assert rendering.path("/home/user2") == "/home/user2"
    assert rendering.path("/x\x1b[31m\n") == "/x\\x1b[31m\\n"


def test_no_colour_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert rendering.colours()
    monkeypatch.setenv("NO_COLOR", "1")
    assert not rendering.colours()


def test_harmless() -> None:
    assert harmless("plain ü 日本") == "plain ü 日本"
    assert harmless("a\x1b]0;x\x07\x9b\u202e\n\t") == "a\\x1b]0;x\\x07\\x9b\\u202e\\n\\t"
    assert harmless_text("a\n\tb\r\x7f\udcff") == "a\n\tb\\x0d\\x7f\\udcff"
    assert json.loads(harmless_json('"\x9b\x7f\u202e"')) == "\x9b\x7f\u202e"


STRIPPED = [
    (b"plain \xc3\xbc", "plain ü"),
    (b"\x1b[1;31mred\x1b[0m\x1b[m", "red"),
    (b"\x1b[?2004h\x1b[>4;2mx", "x"),
    (b"\x1b]0;title\x07x\x1b]8;;http://a\x1b\\link\x1b]8;;\x1b\\", "xlink"),
    (b"\x1bPq#0;data\x07more\x1b\\x", "x"),
    (b"\x1b(Bx\x1b=y\x1b7z", "xyz"),
    (b"one\r\ntwo\r\r\n\r\nthree", "one\ntwo\n\nthree"),
    (b"50%\r60%\r", "50%\n60%\n"),
    (b"a\x1b[3Cb\x1b[Cc\x1b[99999Cd", "a   b c" + " " * 500 + "d"),
    (b"a\x1b[5;1Hb\x1b[2Ac", "a\nb\nc"),
    (b"\x1b[31\x1b[32mx", "x"),
    (b"\x1b[3\x18x\x1b]open\x1ay", "xy"),
    (b"\xc2\x9b31mx\xc2\x9d0;t\xc2\x9cy", "xy"),
    (b"bad \xff byte\x00\x08\x7f", "bad \ufffd byte"),
    (b"\x1b\xc3\xbcx", "üx"),
]


@pytest.mark.parametrize(("data", "text"), STRIPPED)
def test_control_sequences_are_taken_out_of_any_split(data: bytes, text: str) -> None:
    assert Stripper().feed(data, final=True) == text
    stripper = Stripper()
    assert "".join(stripper.feed(bytes([byte])) for byte in data) == text


def test_events_come_out_of_any_split() -> None:
    raw = b'id: 7\ndata: {"a":1}\n\nevent: end\nid: 9\ndata: x\ndata: y\n\nid: 11\ndata: cut'
    expected = [Event("", 7, b'{"a":1}'), Event("end", 9, b"x\ny")]
    assert EventReader().feed(raw) == expected
    reader = EventReader()
    assert [e for byte in raw for e in reader.feed(bytes([byte]))] == expected


def lines(*events: object) -> list[str]:
    transcript = Transcript(paint=False)
    return [
        line
        for event in events
        for line in transcript.lines(json.dumps(event, ensure_ascii=False).encode())
    ]


def message(role: str, *blocks: object, **more: object) -> dict[str, object]:
    return {"type": role, "message": {"role": role, "content": list(blocks)}, **more}


def test_a_conversation_reads_as_one() -> None:
    init = {"type": "system", "subtype": "init", "model": "m", "permissionMode": "plan"}
    use = {"type": "tool_use", "name": "Bash", "input": {"command": "make\ntest", "timeout": 1}}
    result = {"type": "tool_result", "content": [{"type": "text", "text": "1\n2\n3\n4\n5\n6"}]}
    done = {
        "type": "result", "subtype": "success", "is_error": False, "num_turns": 2,
        "duration_ms": 3400, "total_cost_usd": 0.0123, "result": "fine",
    }  # fmt: skip
    prompt = {"type": "user", "message": {"role": "user", "content": "go\non"}, "isReplay": True}
    assert lines(
        init, prompt, message("assistant", {"type": "text", "text": "a\nb"}, use),
        message("user", result), done, init,
    ) == [
        "- m, permission mode plan", "> go", "> on", "a", "b", "* Bash: make\\ntest",
        "  | 1", "  | 2", "  | 3", "  | … 3 more lines", "= done (2 turns, 3.4s, $0.0123)",
    ]  # fmt: skip


def test_messages_that_became_one_turn_are_told_once_each() -> None:
    def replay(text: str) -> dict[str, object]:
        return {"type": "user", "message": {"role": "user", "content": text}, "isReplay": True}

    said = message("assistant", {"type": "text", "text": "fine"})
    # As 2.1.330 replays messages that it had in its queue.
    assert lines(replay("a"), replay("b\nc"), replay("a\nb\nc\nd"), said, replay("a\nb")) == [
        "> a", "> b", "> c", "> d", "fine", "> a", "> b",
    ]  # fmt: skip


def test_what_went_wrong_is_shown() -> None:
    failed = {"type": "result", "subtype": "success", "is_error": True, "result": "API 400\n"}
    denied = {
        "type": "result", "subtype": "success", "is_error": False,
        "permission_denials": [{"tool_name": "Bash", "tool_input": {"command": "rm"}}],
    }  # fmt: skip
    stopped = {
        "type": "result", "subtype": "error_during_execution", "terminal_reason": "aborted_tools"
    }  # fmt: skip
    retry = {
        "type": "system", "subtype": "api_retry", "attempt": 2, "max_retries": 10,
        "retry_delay_ms": 4000, "error_status": 529,
    }  # fmt: skip
    asking = {
        "type": "control_request",
        "request": {"subtype": "can_use_tool", "tool_name": "Edit", "input": {"file_path": "/a"}},
    }
    assert lines(failed, denied, stopped, retry, asking) == [
        "= failed: API 400\\n", "= done", "! was not allowed: Bash: rm", "= interrupted",
        "! the model's API failed (529): attempt 2 of 10 in 4s", "? asks for permission: Edit: /a",
    ]  # fmt: skip


def test_unknown_and_damaged_events_do_no_harm() -> None:
    odd: list[object] = [
        {"type": "new"}, {"type": "user"}, {"type": "assistant", "message": 3}, 7, [],
        {"type": "control_request"}, {"type": "result"}, message("user", "x", {"type": "image"}),
    ]  # fmt: skip
    assert [line for line in lines(*odd) if not line.startswith("=")] == []
    assert Transcript(paint=False).lines(b"\x1b[2Jno json") == ["! \\x1b[2Jno json"]
    assert lines(message("assistant", {"type": "text", "text": "\x1b[2Jx"})) == ["\\x1b[2Jx"]


def _process(pid: int, depth: int, role: str, command: str, **more: object) -> dict[str, object]:
    counts = {"rss_bytes": 213 << 20, "pss_bytes": None, "cpu_seconds": 12.34, "started_at": 0.0}
    return {"pid": pid, "depth": depth, "role": role, "command": command, **counts, **more}


def test_processes_fit_a_terminal_and_drive_none() -> None:
    session = {
        "id": "bbbbbb", "name": "api", "state": "working", "placement": "scope",
        "memory_bytes": 1 << 30, "cpu_seconds": 7200.0,
        "processes": [
            _process(4, 0, "keeper", "python3 keeper"),
            _process(5, 1, "claude", "claude -p " + "x" * 200),
            _process(4194304, 2, "tool", "sh \x1b]0;x\x07 \u202e\n"),
        ],
    }  # fmt: skip
    foreign = [_process(9, 0, "interactive", "claude", own=False, account="b\x1b[2J" + "o" * 40)]
    found = {"sessions": [session], "orphans": [], "foreign": foreign}
    lines = processes._lines(found, False, 60.0, 80)
    assert max(map(len, lines)) <= 80
    assert all(line.isprintable() for line in lines)
    assert lines[1] == "session bbbbbb (api): working, scope, memory 1.0G, CPU 2h"
    words = ("python3", "claude -p", "sh ")
    columns = [line.index(word) for line, word in zip(lines[2:5], words, strict=True)]
    assert [column - columns[0] for column in columns] == [0, 2, 4]
    assert lines[3].endswith("…") and "\\x1b]0;x" in lines[4]
    assert not any("orphans" in line for line in lines) and "foreign" in lines[5]
    whole = processes._lines(found, False, 60.0, None)
    assert whole[3].endswith("x" * 200)
    assert "PSS" in processes._lines(found, True, 60.0, 80)[0]
