"""One stream-json conversation of the stand-in: input lines, turns, events."""

from __future__ import annotations

import json
import os
import select
import signal
import time
from typing import Any

import standin_faults
import standin_permissions
import standin_shapes
from standin_shapes import LIFECYCLE, Turn
from standin_transcript import Transcript, new_uuid, now, text_of

STATES = os.environ.get("CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS") == "1"
REJECTED = "The user doesn't want to proceed with this tool use. The tool use was rejected."


class Standin:
    def __init__(
        self, session: str, transcript: Transcript, replay: bool, asks: bool = False
    ) -> None:
        self.session, self.transcript, self.replay = session, transcript, replay
        self.asks = asks  # somebody answers permission requests
        self.allowed: set[str] = set()
        self.queue: list[tuple[str, str]] = []
        self.turn: Turn | None = None
        self.buffer = b""
        self.stdin_open, self.heed_eof, self.idle = True, True, True
        self.eaten = bytearray()
        self.failed = False
        self.results = 0
        self.wake, wake_write = os.pipe()
        os.set_blocking(wake_write, False)
        signal.set_wakeup_fd(wake_write)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: None)

    def emit(self, event: dict[str, Any]) -> dict[str, Any]:
        event.setdefault("uuid", new_uuid())
        event["session_id"] = self.session
        return self.control_line(event)

    def control_line(self, event: dict[str, Any]) -> dict[str, Any]:
        data = memoryview(json.dumps(event, separators=(",", ":")).encode() + b"\n")
        try:
            while data:
                data = data[os.write(1, data) :]
        except OSError:
            pass  # like the real one, which lives on when nobody reads any more
        return event

    def state(self, name: str) -> None:
        self.idle = name == "idle"
        if STATES:
            self.emit({"type": "system", "subtype": "session_state_changed", "state": name})

    def lifecycle(self, prompts: list[tuple[str, str]], state: str) -> None:
        for uuid, _ in prompts if LIFECYCLE else ():
            self.emit({"type": "command_lifecycle", "command_uuid": uuid, "state": state})

    def replayed(self, uuid: str, text: str, *, own: bool, prompts: list[str]) -> None:
        message = {"role": "user", "content": text}
        event: dict[str, Any] = {"type": "user", "message": message, "uuid": uuid}
        if prompts:
            self.transcript.add(event, prompts)
        if self.replay:
            more = {"parent_tool_use_id": None, "isReplay": True}
            self.emit({**event, **more, **({"timestamp": now()} if own else {})})

    def replay_turn(self, turn: Turn) -> None:
        if not turn.replayed:
            turn.replayed = True
            if not LIFECYCLE and turn.text.startswith("/"):
                return  # 2.1.197 replays none of its own commands
            uuids = [uuid for uuid, _ in turn.members]
            self.replayed(uuids[-1], turn.text, own=True, prompts=uuids)

    def say(self, role: str, content: list[dict[str, Any]], **more: object) -> None:
        message: dict[str, Any] = {"role": role, "content": content}
        turn = self.turn
        if role == "assistant":
            message |= {"id": f"msg_{new_uuid()}", "type": "message", "model": "standin"}
            message |= {"stop_reason": None, "usage": {"input_tokens": 1, "output_tokens": 1}}
            if LIFECYCLE and turn and turn.count == 1:
                more |= self.links(turn)
        event = {"type": role, "message": message, "parent_tool_use_id": None, "uuid": new_uuid()}
        self.transcript.add(event, [])
        self.emit(event | more | ({"timestamp": now()} if role == "user" or LIFECYCLE else {}))

    def links(self, turn: Turn) -> dict[str, Any]:
        uuids = [uuid for uuid, _ in turn.members + turn.absorbed]
        last = turn.members[-1][0]
        return {"user_message_uuid": last, "user_message_uuids": uuids}

    # -- input ---------------------------------------------------------------

    def line(self, raw: bytes) -> None:
        if not raw or (LIFECYCLE and not raw.strip()):
            return
        try:
            event = json.loads(raw)
            kind = event.get("type")
        except (ValueError, AttributeError):
            self.leave(1, f"Error parsing streaming input line: {raw.decode(errors='replace')}")
        if kind == "control_request":
            self.control(str(event.get("request_id", "")), event.get("request") or {})
        elif kind == "user":
            if not isinstance(event.get("message"), dict):
                self.leave(1, "Error: Expected message role 'user', got 'undefined'")
            self.message(event.get("uuid") or new_uuid(), text_of(event["message"].get("content")))
        elif kind == "control_response":
            standin_permissions.answered(self, event)

    def message(self, uuid: str, text: str) -> None:
        if uuid in self.transcript.uuids:
            queued = uuid in [queued for queued, _ in self.queue]
            if not (queued and LIFECYCLE):
                self.replayed(uuid, text, own=False, prompts=[])
            if not self.turn:
                self.state("idle")
            return
        self.transcript.uuids.add(uuid)
        self.transcript.first = self.transcript.first or text
        if self.idle:
            self.state("running")
        self.queue.append((uuid, text))
        self.lifecycle([(uuid, text)], "queued")
        if not self.turn:
            self.next_turn()

    def control(self, request: str, body: dict[str, Any]) -> None:
        kind = body.get("subtype")
        answer: dict[str, Any] | None = None
        if self.turn and self.turn.hung:
            return
        if kind == "initialize":
            answer = standin_shapes.greeting(self.idle)
        elif kind == "interrupt":
            standin_permissions.withdraw(self)
            answer = {"still_queued": [u for u, _ in self.queue]} if LIFECYCLE else None
        elif kind == "cancel_async_message":
            found = [m for m in self.queue if m[0] == body.get("message_uuid")]
            self.queue = [m for m in self.queue if m not in found]
            self.lifecycle(found, "cancelled")
            answer = {"cancelled": bool(found)}
        elif kind not in ("set_model", "set_permission_mode", "end_session"):
            error = f"Unsupported control request subtype: {kind}"
            self.respond({"subtype": "error", "request_id": request, "error": error})
            return
        response: dict[str, Any] = {"subtype": "success", "request_id": request}
        if kind == "initialize" and self.turn and self.turn.asked:
            response["pending_permission_requests"] = [self.turn.asked]
        self.respond(response | ({} if answer is None else {"response": answer}))
        if kind == "interrupt" and self.turn:
            self.interrupt()
        elif kind == "end_session":
            self.leave(0)

    def respond(self, response: dict[str, Any]) -> None:
        self.control_line({"type": "control_response", "response": response})

    # -- turns ---------------------------------------------------------------

    def next_turn(self) -> None:
        prompts, self.queue = standin_shapes.next_of(self.queue)
        turn = self.turn = Turn(prompts)
        for uuid, text in prompts[:-1]:
            self.replayed(uuid, text, own=False, prompts=[])
        self.lifecycle(prompts, "started")
        self.emit(standin_shapes.init([uuid for uuid, _ in prompts]))
        if turn.text.lower().startswith(("recall", "what did i say first")):
            turn.answer = f'you said first: "{self.transcript.first}"'
        elif turn.text.startswith("!"):
            standin_faults.misbehave(self, turn)

    def tool_step(self, turn: Turn) -> None:
        data = os.read(turn.tool_out, 65536)
        if data:
            turn.output = (turn.output + data)[:65536]
            return
        os.close(turn.tool_out)
        os.waitpid(turn.tool, 0)
        turn.tool = turn.tool_out = -1
        text = turn.output.decode(errors="replace").rstrip("\n")
        self.tool_result(turn, text, failed=False)
        turn.absorbed, self.queue = self.queue, []
        for uuid, queued in turn.absorbed:
            self.replayed(uuid, queued, own=True, prompts=[uuid])
        self.lifecycle(turn.absorbed, "started")
        turn.answer, turn.due = f"tool said: {text[:200]}", time.monotonic()

    def tool_result(self, turn: Turn, text: str, failed: bool) -> None:
        block = {"tool_use_id": turn.tool_id, "type": "tool_result", "content": text}
        self.say("user", [block | {"is_error": failed}], tool_use_result={"stdout": text})

    def answer(self, turn: Turn) -> None:
        self.replay_turn(turn)
        self.say("assistant", [{"type": "text", "text": turn.answer}])
        self.lifecycle(turn.absorbed, "completed")
        ended = {"stop_reason": "end_turn", "terminal_reason": "completed"}
        self.result(turn, "completed", {"subtype": "success", "result": turn.answer, **ended})

    def interrupt(self) -> None:
        turn = self.turn
        if not turn or turn.hung:
            return
        self.replay_turn(turn)
        suffix, reason, stop = "", "aborted_streaming", None
        if turn.tool > 0:
            os.killpg(turn.tool, signal.SIGKILL)
            os.waitpid(turn.tool, 0)
            os.close(turn.tool_out)
            self.tool_result(turn, REJECTED, failed=True)
            suffix, reason, stop = " for tool use", "aborted_tools", "tool_use"
        elif turn.refused:
            self.tool_result(turn, REJECTED, failed=True)
            suffix, reason, stop = " for tool use", "aborted_tools", "tool_use"
        elif turn.length:
            share = (time.monotonic() - turn.started) / turn.length
            if partial := turn.answer[: int(len(turn.answer) * share)]:
                self.say("assistant", [{"type": "text", "text": partial}])
        self.say("user", [{"type": "text", "text": f"[Request interrupted by user{suffix}]"}])
        turn.count += 1
        body: dict[str, Any] = {
            "subtype": "error_during_execution",
            "stop_reason": stop,
            "errors": [],
        }
        self.result(turn, "cancelled", body | {"terminal_reason": reason})

    def result(self, turn: Turn, fate: str, body: dict[str, Any]) -> None:
        self.failed = fate != "completed"
        took = int((time.monotonic() - turn.started) * 1000)
        event = {"type": "result", "is_error": self.failed, "duration_ms": took}
        event |= {
            "num_turns": turn.count,
            "total_cost_usd": 0,
            "usage": {},
            "modelUsage": {"standin": standin_shapes.USAGE},
        }
        event |= {"permission_denials": turn.denials, "fast_mode_state": "off"} | body
        if LIFECYCLE:
            event |= self.links(turn) | {"queued_turn_count": 0, "result_index": self.results}
        self.results += 1
        self.emit(event)
        self.lifecycle(turn.members, fate)
        self.turn = None
        if self.queue:
            self.next_turn()
        else:
            self.state("idle")

    # -- loop ----------------------------------------------------------------

    def leave(self, code: int, text: str = "") -> None:
        self.transcript.flush()
        if text:
            os.write(2, f"{text}\n".encode())
        os._exit(code)

    def on_signal(self, number: int) -> None:
        if signal.getsignal(number) is signal.SIG_IGN:
            return
        if number == signal.SIGINT:
            self.queue = []
            self.interrupt()
            self.leave(0)
        if number in (signal.SIGTERM, signal.SIGHUP):
            self.leave(128 + number)

    def step(self) -> None:
        turn, now = self.turn, time.monotonic()
        due = [when for when, _ in self.transcript.waiting[:1]]
        if turn and turn.due is not None:
            due.append(turn.due)
        inputs = [self.wake] + ([0] if self.stdin_open else [])
        if turn and turn.tool_out >= 0:
            inputs.append(turn.tool_out)
        ready = select.select(inputs, [], [], max(0.0, min(due) - now) if due else None)[0]
        if self.wake in ready:
            for number in os.read(self.wake, 64):
                self.on_signal(number)
        if turn and turn.tool_out >= 0 and turn.tool_out in ready:
            self.tool_step(turn)
        if self.stdin_open and 0 in ready:
            self.read_input()
        turn = self.turn
        if turn and turn.due is not None and turn.due <= now:
            self.answer(turn)
        self.transcript.flush(time.monotonic())
        if not self.stdin_open and self.heed_eof and not self.turn:
            self.leave(1 if self.failed else 0)

    def read_input(self) -> None:
        data = os.read(0, 1 << 20)
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        for line in lines:
            self.line(line)
        if not data:
            self.stdin_open = False
            self.line(self.buffer)
