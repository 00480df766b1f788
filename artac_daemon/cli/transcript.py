"""Claude's stream-json as a conversation that a person can read."""

from __future__ import annotations

import json
from typing import Any

from ..claude import questions, stream
from .escapes import harmless, harmless_text
from .rendering import painted

_LONGEST = 160
_RESULT_LINES = 4
# The argument that says most about a tool's use, in order of preference.
_TELLING = (
    "command", "file_path", "notebook_path", "path", "pattern", "query", "url", "description",
    "subject", "skill", "prompt",
)  # fmt: skip


class Transcript:
    """Turns events into lines; events that say nothing to a reader give none."""

    def __init__(self, paint: bool) -> None:
        self._paint = paint
        self._introduced = ""
        self._replayed: list[str] = []  # since Claude said something

    def lines(self, raw: bytes) -> list[str]:
        """The lines for one line of Claude's output, without line ends."""
        try:
            event = json.loads(raw)
        except (ValueError, RecursionError):
            return self._marked("!", [raw.decode("utf-8", "replace")], "red") if raw else []
        if not isinstance(event, dict):
            return []
        kind = event.get("type")
        if kind in ("assistant", "result"):
            self._replayed.clear()
        if kind == "assistant":
            found = self._assistant(event)
        elif kind == "user":
            found = self._user(event)
        elif kind == "result":
            found = self._result(raw, event)
        elif kind == "system":
            found = self._system(event)
        elif kind == "control_request":
            found = self._control(event)
        else:
            return []
        indent = "    " if event.get("parent_tool_use_id") else ""
        return [indent + line for line in found]

    def _assistant(self, event: dict[str, Any]) -> list[str]:
        lines: list[str] = []
        for block in _blocks(event):
            if block.get("type") == "text":
                lines += _split(str(block.get("text", "")))
            elif block.get("type") == "tool_use":
                lines += self._marked("*", [_tool(block.get("name"), block.get("input"))], "blue")
        return lines

    def _user(self, event: dict[str, Any]) -> list[str]:
        lines: list[str] = []
        for block in _blocks(event):
            if block.get("type") == "tool_result":
                lines += self._tool_result(block)
            elif block.get("type") == "text":
                text = str(block.get("text", ""))
                if event.get("isReplay"):
                    lines += self._marked(">", _split(self._not_said_before(text)), "bold")
                else:  # not said by anyone: Claude's own note to the model
                    lines += self._marked("-", [_short(harmless(text.strip()))], "dim")
        return lines

    def _not_said_before(self, text: str) -> str:
        # What waited becomes one turn: Claude replays each message, and then as one all of them.
        before = "".join(f"{said}\n" for said in self._replayed)
        new = text[len(before) :] if text.startswith(before) else text
        self._replayed.append(new)
        return new

    def _tool_result(self, block: dict[str, Any]) -> list[str]:
        text = _text(block.get("content"))
        lines = _split(text) if text.strip() else []
        if len(lines) > _RESULT_LINES:
            left_out = len(lines) - _RESULT_LINES + 1
            lines = [*lines[: _RESULT_LINES - 1], f"… {left_out} more lines"]
        shown = [_short(line) for line in lines]
        return self._marked("  |", shown, "red" if block.get("is_error") else "dim")

    def _result(self, raw: bytes, event: dict[str, Any]) -> list[str]:
        seen = stream.read(raw).result
        if seen is None:
            return []
        facts = []
        if seen.turns is not None:
            facts.append(f"{seen.turns} turn{'' if seen.turns == 1 else 's'}")
        duration = event.get("duration_ms")
        if isinstance(duration, (int, float)):
            facts.append(f"{duration / 1000:.1f}s")
        if seen.cost_usd is not None:
            facts.append(f"${seen.cost_usd:.4f}")
        told = f" ({', '.join(facts)})" if facts else ""
        if seen.interrupted:
            lines = self._marked("=", [f"interrupted{told}"], "yellow")
        elif seen.failed:
            why = f": {_short(harmless(seen.text))}" if seen.text else ""
            lines = self._marked("=", [f"failed{told}{why}"], "red")
        else:
            lines = self._marked("=", [f"done{told}"], "green")
        for denied in _list(event.get("permission_denials")):
            tool = _tool(denied.get("tool_name"), denied.get("tool_input"))
            lines += self._marked("!", [f"was not allowed: {tool}"], "yellow")
        return lines

    def _system(self, event: dict[str, Any]) -> list[str]:
        subtype = event.get("subtype")
        if subtype == "init":
            said = f"{event.get('model')}, permission mode {event.get('permissionMode')}"
            if said == self._introduced:
                return []  # Claude introduces itself in every turn
            self._introduced = said
            return self._marked("-", [harmless(said)], "dim")
        if subtype == "api_retry":
            delay = event.get("retry_delay_ms")
            when = f" in {delay / 1000:.0f}s" if isinstance(delay, (int, float)) else ""
            status = event.get("error_status") or "no answer"
            attempt = f"{event.get('attempt')} of {event.get('max_retries')}"
            text = f"the model's API failed ({status}): attempt {attempt}{when}"
            return self._marked("!", [harmless(text)], "yellow")
        return []

    def _control(self, event: dict[str, Any]) -> list[str]:
        request = event.get("request")
        if not isinstance(request, dict) or request.get("subtype") != "can_use_tool":
            return []
        if asked := questions.of(request.get("tool_name"), request.get("input")):
            return self._marked("?", [f"asks: {_short(harmless(q.text))}" for q in asked], "yellow")
        tool = _tool(request.get("tool_name"), request.get("input"))
        return self._marked("?", [f"asks for permission: {tool}"], "yellow")

    def _marked(self, mark: str, lines: list[str], colour: str) -> list[str]:
        marked = [f"{mark} {harmless_text(line)}" for line in lines]
        return [painted(line, colour) for line in marked] if self._paint else marked


def _blocks(event: dict[str, Any]) -> list[dict[str, Any]]:
    message = event.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    return [{"type": "text", "text": content}] if isinstance(content, str) else _list(content)


def _list(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    shown = (
        str(part.get("text", "")) if part.get("type") == "text" else f"[{part.get('type')}]"
        for part in _list(content)
    )
    return "\n".join(shown)


def _tool(name: object, given: object) -> str:
    said = ""
    if isinstance(given, dict):
        said = next((given[key] for key in _TELLING if isinstance(given.get(key), str)), "")
        said = said or (json.dumps(given, ensure_ascii=False) if given else "")
    return _short(harmless(f"{name}: {said}" if said else str(name)))


def _split(text: str) -> list[str]:
    return harmless_text(text.rstrip("\n").replace("\r\n", "\n")).split("\n")


def _short(line: str) -> str:
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
