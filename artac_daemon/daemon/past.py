"""What an ended session's own files tell of its conversation, and of the turn that was cut off."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..claude import hooks, stream
from ..host.store import HOOKS
from ..model.progress import ToolUse
from ..model.session import Kind, SessionSpec, State
from ..model.tool_input import in_one_line
from .lines import LineReader, extent

_LONGEST_TEXT, _LONGEST_INPUT = 200, 200
# The last turn is looked for in so much at first, eightfold until it is found or that is too much.
_TAIL, _FARTHEST = 256 * 1024, 16 * 1024 * 1024
_MAX_LINE = 64 * 1024


@dataclass(frozen=True)
class Past:
    """`interrupted`: null, or `message` and `tool` (each null where not known) and `at`."""

    conversation: str  # its id when last told: on a terminal, /clear begins another
    said: bool  # Claude had taken up a message
    interrupted: dict[str, Any] | None


def of(directory: Path, spec: SessionSpec, at: float) -> Past:
    """The past of a session that ended then. Reads up to 16 MiB."""
    if spec.kind is Kind.TERMINAL:
        return _of_terminal(directory / HOOKS, spec, at)
    return _of_headless(directory / "output", spec, at)


def in_words(text: str) -> str:
    """The beginning of a text, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_TEXT else line[: _LONGEST_TEXT - 1] + "…"


def _of_headless(output: Path, spec: SessionSpec, at: float) -> Past:
    held = extent(output)
    window = _TAIL
    while True:
        offset = max(held.first, held.size - window)
        found = _Headless()
        _read(output, offset, found.take)
        if found.bounded or offset == held.first or window >= _FARTHEST:
            said = found.said or held.first > 0
            return Past(spec.claude_session_id, said, found.interrupted(at))
        window *= 8


class _Headless:
    """Folds a part of the output."""

    def __init__(self) -> None:
        self.said = self.bounded = False
        self._running = False
        self._texts: list[str] = []
        self._tools: dict[str, ToolUse] = {}

    def take(self, line: bytes) -> None:
        seen = stream.read(line)
        if seen.replayed:
            self.said = True
            self._texts.append(_text(line))
        for done in seen.tools_done:
            self._tools.pop(done, None)
        for tool in seen.said.tools if seen.said else ():
            self._tools[tool.id] = tool
        if seen.said is not None:
            self._running = True
        if seen.state is not None:
            self._running = seen.state is not State.IDLE
        if seen.result is not None or seen.state is State.IDLE:
            self.said |= seen.result is not None
            self.bounded = True
            self._running = False
            self._texts.clear()
            self._tools.clear()

    def interrupted(self, at: float) -> dict[str, Any] | None:
        if not self._running:
            return None
        tool = list(self._tools.values())[-1] if self._tools else None
        return _cut_off(self._texts[-1] if self._texts else "", _in_words(tool), at)


def _text(line: bytes) -> str:
    try:
        content = json.loads(line)["message"]["content"]
        if isinstance(content, str):
            return content
        return "\n".join(str(block["text"]) for block in content if block.get("type") == "text")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return ""


def _in_words(tool: ToolUse | None) -> str:
    if tool is None:
        return ""
    given = in_one_line(tool.input, _LONGEST_INPUT)
    return in_words(f"{tool.name}: {given}" if given else tool.name)


def _of_terminal(noted: Path, spec: SessionSpec, at: float) -> Past:
    state, conversation, text = State.STARTING, spec.claude_session_id, ""
    said = extent(noted).first > 0

    def take(line: bytes) -> None:
        nonlocal state, conversation, text, said
        hook = hooks.read(line)
        if hook is None:
            return
        state = hooks.next_state(state, hook)
        if hook.session_id and hook.session_id != conversation:
            conversation, said = hook.session_id, hook.source == "resume"
        if hook.event == "UserPromptSubmit":
            text, said = hook.prompt_head, True

    _read(noted, extent(noted).first, take)
    working = state in (State.WORKING, State.NEEDS_PERMISSION)
    return Past(conversation, said, _cut_off(text, "", at) if working else None)


def _cut_off(text: str, tool: str, at: float) -> dict[str, Any]:
    return {"message": in_words(text) or None, "tool": tool or None, "at": at or time.time()}


def _read(path: Path, offset: int, take: Any) -> None:
    try:
        reader = LineReader(path, offset)
    except FileNotFoundError:
        return
    try:
        while True:
            for _, line in reader.lines():
                take(line)
            if not reader.more:
                return
    finally:
        reader.close()
