"""The loopback Messages API: the shapes the CLI relies on, its script, its log."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import IncompleteRead
from pathlib import Path
from typing import Any

import pytest

from tests.support.loopback_api import LoopbackApi, require_loopback

ROOT = Path(__file__).resolve().parents[2]
BASH = [{"name": "Bash", "input_schema": {"type": "object"}}]


@pytest.fixture
def api() -> Iterator[LoopbackApi]:
    with LoopbackApi() as running:
        yield running


def fetch(api: LoopbackApi, path: str, body: dict[str, Any] | None = None) -> bytes:
    data = None if body is None else json.dumps(body).encode()
    headers = {"X-Api-Key": "sk-secret", "X-Claude-Code-Session-Id": "s1"}
    request = urllib.request.Request(api.url + path, data, headers)
    with urllib.request.urlopen(request, timeout=10) as response:
        content: bytes = response.read()
    return content


def ask(api: LoopbackApi, *texts: str, **more: Any) -> dict[str, Any]:
    messages: list[dict[str, Any]] = []
    for text in texts:
        messages += [{"role": "user", "content": text}, {"role": "assistant", "content": "ok"}]
    body = {"model": "m", "tools": BASH, "messages": messages[:-1], **more}
    answer: dict[str, Any] = json.loads(fetch(api, "/v1/messages", body))
    return answer


def said(answer: dict[str, Any]) -> str:
    text: str = answer["content"][0]["text"]
    return text


def events(raw: bytes) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for part in raw.decode().strip().split("\n\n"):
        kind, data = part.split("\n")
        found.append((kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


def test_stream_has_the_events_of_a_message_in_order(api: LoopbackApi) -> None:
    body = {"stream": True, "messages": [{"role": "user", "content": "hi"}]}
    stream = events(fetch(api, "/v1/messages", body))
    assert [kind for kind, _ in stream] == [
        "message_start",
        "content_block_start",
        "ping",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert all(data["type"] == kind for kind, data in stream)
    assert stream[3][1]["delta"] == {"type": "text_delta", "text": "echo: hi"}
    assert stream[5][1]["delta"]["stop_reason"] == "end_turn"


def test_answers_come_out_of_the_conversation(api: LoopbackApi) -> None:
    assert said(ask(api, "blue", "What did I say first?")) == 'you said first: "blue"'
    assert said(ask(api, "blue", "again")) == "echo: again"


def test_tool_is_asked_for_and_its_result_quoted(api: LoopbackApi) -> None:
    answer = ask(api, "tool: echo 42")
    use = answer["content"][0]
    assert (answer["stop_reason"], use["name"]) == ("tool_use", "Bash")
    assert use["input"]["command"] == "echo 42"
    result = {"type": "tool_result", "tool_use_id": use["id"], "content": "42" + "x" * 300}
    queued = (
        "The user sent a new message while you were working:\nand you?\n\n"
        "IMPORTANT: After completing your current task, you MUST address it."
    )
    messages = [
        {"role": "user", "content": "tool: echo 42"},
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [result]},
        {"role": "system", "content": queued},
    ]
    assert said(ask(api, messages=messages)) == "tool said: 42" + "x" * 198
    assert api.log.counts() == {"tool: echo 42": 1, "and you?": 1}


def test_flood_and_slow(api: LoopbackApi) -> None:
    body = {"stream": True, "messages": [{"role": "user", "content": "flood: 100000"}]}
    stream = fetch(api, "/v1/messages", body)
    text = "".join(d["delta"]["text"] for k, d in events(stream) if k == "content_block_delta")
    assert len(text) == 100000
    started = time.monotonic()
    assert said(ask(api, "slow: 0.3 a b")) == "a b"
    assert time.monotonic() - started >= 0.3


def test_failures_stop_after_the_number_asked_for(api: LoopbackApi) -> None:
    for _ in range(2):
        with pytest.raises(urllib.error.HTTPError) as caught:
            ask(api, "error: 429 x2")
        assert caught.value.code == 429
        assert json.load(caught.value)["error"]["type"] == "rate_limit_error"
    assert said(ask(api, "error: 429 x2")) == "echo: error: 429 x2"
    with pytest.raises((IncompleteRead, ConnectionError)):
        ask(api, "error: cut", stream=True)


def test_only_the_newest_prompt_of_a_shared_message_counts(api: LoopbackApi) -> None:
    texts = [
        "error: 400",
        "[Request interrupted by user]",
        "<system-reminder>x</system-reminder>",
        "go",
    ]
    content = [{"type": "text", "text": text} for text in texts]
    assert said(ask(api, messages=[{"role": "user", "content": content}])) == "echo: go"


def test_log_tells_what_reached_the_model_and_no_key(api: LoopbackApi) -> None:
    ask(api, "q1\nq2")
    ask(api, "Warmup")
    assert b"sk-secret" not in fetch(api, "/_log")
    log = json.loads(fetch(api, "/_log"))
    assert [(e["kind"], e["messages"], e["text"], e["session"]) for e in log] == [
        ("turn", 1, "q1\nq2", "s1"),
        ("side", 1, "Warmup", "s1"),
    ]
    assert json.loads(fetch(api, "/_counts")) == {"q1": 1, "q2": 1, "q1\nq2": 1}
    fetch(api, "/_clear", {})
    assert json.loads(fetch(api, "/_log")) == []


def test_other_paths(api: LoopbackApi) -> None:
    assert json.loads(fetch(api, "/"))["model"] is None
    head = urllib.request.Request(api.url + "/", method="HEAD")
    with urllib.request.urlopen(head, timeout=10) as response:
        assert response.status == 200
    counted = json.loads(fetch(api, "/v1/messages/count_tokens", {"messages": []}))
    assert counted["input_tokens"] > 0


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.1", "example.org", ""])
def test_refuses_any_address_but_loopback(host: str) -> None:
    with pytest.raises(ValueError, match="loopback"):
        require_loopback(host)


def test_as_a_program_it_says_what_it_is_and_writes_its_port(tmp_path: Path) -> None:
    port_file = tmp_path / "port"
    command = [sys.executable, "-m", "tests.support.loopback_api", "--port-file", str(port_file)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            said_first = process.stdout.readline()
            assert "no model" in said_first
            while not port_file.exists():
                assert process.poll() is None
            assert f":{port_file.read_text().strip()}:" in said_first
        finally:
            process.terminate()
