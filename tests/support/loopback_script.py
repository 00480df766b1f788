"""What the loopback Messages API answers: by one request alone.

For tests and demos only. No model is behind it; the text of the last user
message steers it (see `DIRECTIVES`).
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

DIRECTIVES = """\
<text>                        echo: <text>
recall | what did I say first quotes the first user text of the conversation
tool: <shell command>         runs it with the Bash tool, then: tool said: <200 chars>
use: <tool> <json>            uses that tool with that input, then: tool said: <200 chars>
slow: <seconds> <text>        streams <text> in pieces over that time
flood: <bytes>                about that many bytes of text in many deltas
error: 429|500|400|cut [xN]   that HTTP error or a cut connection (only the first N times)
"""

TOOL_QUOTE = 200
FLOOD_PIECE = 4096
FLOOD_LIMIT = 256 * 1024 * 1024

_REMINDER = re.compile(r"<system-reminder>.*?</system-reminder>", re.DOTALL)
_QUEUED = re.compile(
    r"The user sent a new message while you were working:\n"
    r"(.*?)\n\n(?:IMPORTANT: After completing|This is how Claude Code)",
    re.DOTALL,
)
_RECALL = re.compile(r"^(?:recall|what did i say first)\b", re.IGNORECASE)
_TOOL = re.compile(r"^tool:\s*(.+)$", re.DOTALL)
_USE = re.compile(r"^use:\s*(\S+)\s+(\{.*\})\s*$", re.DOTALL)
_SLOW = re.compile(r"^slow:\s*(\d+(?:\.\d+)?)\s*(.*)$", re.DOTALL)
_FLOOD = re.compile(r"^flood:\s*(\d+)\s*$")
_ERROR = re.compile(r"^error:\s*(429|500|400|cut)(?:\s+x(\d+))?\s*$")

_SIDE_SYSTEM = re.compile(
    r"isNewTopic|sentence-case title|generate a (?:concise|short|title)|conversation title"
    r"|Analyze if this message|summarize this coding conversation|Extract any file paths",
    re.IGNORECASE,
)
_SIDE_USER = re.compile(r"^(?:\[SUGGESTION MODE|Warmup$|quota$|<session>)")


@dataclass(frozen=True)
class Asked:
    """What a request is about, without anything secret in it."""

    kind: str
    texts: tuple[str, ...]
    tool_result: str | None
    first_text: str
    messages: int

    @property
    def text(self) -> str:
        return "\n".join(self.texts)


@dataclass(frozen=True)
class Say:
    text: str
    seconds: float = 0.0


@dataclass(frozen=True)
class Flood:
    size: int


@dataclass(frozen=True)
class UseBash:
    command: str


@dataclass(frozen=True)
class UseTool:
    name: str
    input: dict[str, Any]


@dataclass(frozen=True)
class Fail:
    status: int | None
    times: int | None


Reply = Say | Flood | UseBash | UseTool | Fail


def read_request(body: dict[str, Any]) -> Asked:
    messages = [m for m in body.get("messages", []) if isinstance(m, dict)]
    users = [m for m in messages if m.get("role") == "user"]
    said = [texts for m in users if (texts := _texts(m))]
    last = users[-1] if users else {}
    # Prompts that failed or were interrupted share one message with the next prompt.
    texts = _texts(last)[-1:]
    result = _tool_result(last)
    if result is not None:
        texts = _queued_after(messages, last)
    if _is_side(body, texts):
        kind = "side"
    elif result is not None:
        kind = "tool_result"
    else:
        kind = "turn"
    return Asked(
        kind=kind,
        texts=tuple(texts),
        tool_result=result,
        first_text=said[0][0] if said else "",
        messages=len(messages),
    )


def choose_reply(asked: Asked, *, has_bash: bool, earlier_failures: int) -> Reply:
    """`earlier_failures`: how often this very text was already answered with a failure."""
    if asked.kind == "side":
        return Say('{"title": "loopback session", "isNewTopic": false}')
    if asked.kind == "tool_result":
        return Say(f"tool said: {(asked.tool_result or '')[:TOOL_QUOTE]}")
    reply = _directive(asked)
    if isinstance(reply, Fail) and reply.times is not None and earlier_failures >= reply.times:
        reply = None
    if isinstance(reply, UseBash) and not has_bash:
        return Say("no Bash tool was offered")
    return reply or Say(f"echo: {asked.text}")


def offers_bash(body: dict[str, Any]) -> bool:
    return any(isinstance(t, dict) and t.get("name") == "Bash" for t in body.get("tools") or [])


def pieces(reply: Reply) -> Iterator[str]:
    if isinstance(reply, Flood):
        for start in range(0, reply.size, FLOOD_PIECE):
            yield "x" * (min(FLOOD_PIECE, reply.size - start) - 1) + "\n"
    elif isinstance(reply, Say):
        if reply.seconds <= 0:
            yield reply.text
            return
        # Ten pieces a second at most: enough to see it move, few enough for long ones.
        count = max(2, min(int(reply.seconds * 10), 600))
        step = max(1, -(-len(reply.text) // count))
        for index in range(count):
            time.sleep(reply.seconds / count)
            # Never silent: a client that left is noticed only by writing to it.
            yield reply.text[index * step : (index + 1) * step]


def _directive(asked: Asked) -> Reply | None:
    text = asked.text
    if _RECALL.match(text):
        return Say(f'you said first: "{asked.first_text}"')
    if found := _TOOL.match(text):
        return UseBash(found[1].strip())
    if found := _USE.match(text):
        return UseTool(found[1], json.loads(found[2]))
    if found := _SLOW.match(text):
        return Say(found[2].strip() or "done", seconds=float(found[1]))
    if found := _FLOOD.match(text):
        return Flood(min(int(found[1]), FLOOD_LIMIT))
    if found := _ERROR.match(text):
        status = None if found[1] == "cut" else int(found[1])
        return Fail(status, int(found[2]) if found[2] else None)
    return None


def _blocks(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message.get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [b for b in content or [] if isinstance(b, dict)]


def _texts(message: dict[str, Any]) -> list[str]:
    texts = []
    for block in _blocks(message):
        if block.get("type") != "text":
            continue
        if plain := _REMINDER.sub("", str(block.get("text", ""))).strip():
            texts.append(plain)
    return texts


def _queued_after(messages: list[dict[str, Any]], last: dict[str, Any]) -> list[str]:
    """Prompts sent while a tool ran: the CLI puts them beside or after its result, wrapped."""
    index = next(i for i, m in enumerate(messages) if m is last)
    raw = (str(b.get("text", "")) for m in messages[index:] for b in _blocks(m))
    return [text.strip() for part in raw for text in _QUEUED.findall(part)]


def _tool_result(message: dict[str, Any]) -> str | None:
    results = [b for b in _blocks(message) if b.get("type") == "tool_result"]
    if not results or _texts(message):
        return None
    content = results[-1].get("content", "")
    if isinstance(content, str):
        return content
    return "\n".join(
        str(b.get("text", "")) for b in content if isinstance(b, dict) and b.get("type") == "text"
    )


def _is_side(body: dict[str, Any], texts: list[str]) -> bool:
    if body.get("max_tokens") == 1 or any(_SIDE_USER.match(t) for t in texts):
        return True
    return not body.get("tools") and bool(_SIDE_SYSTEM.search(_system_text(body)))


def _system_text(body: dict[str, Any]) -> str:
    system = body.get("system")
    if isinstance(system, str):
        return system
    return "\n".join(str(b.get("text", "")) for b in system or [] if isinstance(b, dict))
