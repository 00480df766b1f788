"""What clients send, checked for form: every wrong key, type and value has its one-line answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..claude import stream
from ..model.declaration import Additions, Save
from ..model.permission import Reply
from ..model.reaping import Wanted
from ..model.session import (
    AttachRequest,
    Kind,
    LaunchRequest,
    PipeRequest,
    Restart,
    ResumeRequest,
)
from . import fields
from .fields import Body, bad

_WIDEST = 4096
_MOST_LINES = 1_000_000


def launch(raw: object) -> LaunchRequest:
    """The request to start a session; a prompt has a uuid in any case."""
    body = Body(raw)
    kind = body.take("kind", Kind.HEADLESS, fields.kind)
    prompt = body.take("prompt", None, fields.maybe_text)
    prompt_uuid = body.take("prompt_uuid", None, fields.message_uuid)
    request = LaunchRequest(
        cwd=body.take("cwd", "", fields.text),
        kind=kind,
        name=body.take("name", "", fields.text),
        prompt=prompt,
        prompt_uuid=prompt_uuid or (stream.new_uuid() if prompt is not None else None),
        model=body.take("model", "", fields.option_value),
        permission_mode=body.take("permission_mode", "", fields.permission_mode),
        allowed_tools=body.take("allowed_tools", (), fields.texts),
        claude_args=body.take("claude_args", (), fields.texts),
        env=body.take("env", {}, fields.environment),
        size=body.take("size", None, fields.size),
        limits=body.take("limits", {}, fields.limits),
        queue=body.take("queue", None, fields.queue),
        persist=body.take("persist", None, fields.maybe_flag),
        restart=body.take("restart", (), fields.restart),
        one_shot=body.take("one_shot", False, fields.boolean),
        turn_timeout=body.take("turn_timeout", None, fields.turn_timeout),
        deny_permissions=body.take("deny_permissions", False, fields.boolean),
    )
    body.finish()
    if not request.cwd:
        raise bad("cwd is missing: the absolute path that the session works in")
    if request.prompt is not None and kind is Kind.TERMINAL:
        raise bad("prompt: a terminal session has none; type it once attached")
    if request.prompt is not None and not request.prompt.strip():
        raise bad("prompt is empty")
    if request.one_shot and request.prompt is None:
        raise bad("one_shot: without a prompt there is no turn after which it would be ended")
    if request.turn_timeout is not None and not request.one_shot:
        raise bad("turn_timeout is for one_shot")
    if request.one_shot and request.restart:
        raise bad("restart: a one_shot is not taken up again")
    if request.deny_permissions and kind is Kind.TERMINAL:
        raise bad("deny_permissions: a terminal session asks in its terminal")
    return request


def start(raw: object) -> Additions:
    """What is added to the file of a declared session, for one start."""
    body = Body(raw)
    added = Additions(
        prompt_uuid=body.take("prompt_uuid", None, fields.message_uuid),
        queue=body.take("queue", None, fields.queue),
        env=body.take("env", {}, fields.environment),
        size=body.take("size", None, fields.size),
    )
    body.finish()
    return added


def save(raw: object) -> Save:
    """What a file in sessions.d is to say; its content is checked where it is written."""
    body = Body(raw)
    wanted = Save(
        content=body.take("content", {}, fields.mapping),
        force=body.take("force", False, fields.boolean),
        dry_run=body.take("dry_run", False, fields.boolean),
    )
    body.finish()
    return wanted


def resume(raw: object) -> ResumeRequest:
    """The request to take up an ended session's conversation."""
    body = Body(raw)
    none: Mapping[str, str] = {}
    request = ResumeRequest(
        name=body.take("name", "", fields.text),
        kind=body.take("kind", None, fields.maybe_kind),
        env=body.take("env", none, fields.environment),
        without_env=body.take("without_env", False, fields.boolean),
        continue_interrupted=body.take("continue_interrupted", False, fields.boolean),
        size=body.take("size", None, fields.size),
        queue=body.take("queue", None, fields.queue),
    )
    body.finish()
    return request


def restart(raw: object) -> tuple[Restart, ...]:
    """When a session is to be taken up without anybody asking."""
    body = Body(raw)
    wanted = body.take("restart", None, fields.maybe_restart)
    body.finish()
    if wanted is None:
        raise bad('restart is missing: a list such as ["on-failure", "on-boot"]; [] for never')
    return wanted


def limits(raw: object) -> tuple[Mapping[str, Any], bool]:
    """The limits to change, and whether to do it at the cost of processes."""
    body = Body(raw)
    none: Mapping[str, Any] = {}
    changes = body.take("limits", none, fields.limits)
    force = body.take("force", False, fields.boolean)
    body.finish()
    if not changes:
        raise bad('limits is missing or empty: an object such as {"memory": "3G"}')
    return changes, force


def message(raw: object) -> tuple[str, str | None]:
    """A message's fields.text, and its uuid if the sender chose one."""
    body = Body(raw)
    words = body.take("text", "", fields.text)
    chosen = body.take("uuid", None, fields.message_uuid)
    body.finish()
    if not words.strip():
        raise bad("text is missing or empty")
    return words, chosen


def permission(raw: object) -> Reply:
    """The answer to a permission request."""
    body = Body(raw)
    word = body.take("answer", "", fields.text)
    none: tuple[int, ...] = ()
    always = body.take("always", none, fields.suggestions)
    reply = Reply(
        allow=word == "allow",
        always=always,
        answers=body.take("answers", (), fields.texts),
        reason=body.take("reason", "", fields.text),
        interrupt=body.take("interrupt", False, fields.boolean),
    )
    body.finish()
    if word not in ("allow", "deny"):
        raise bad(f"answer must be allow or deny, found {fields.shown(word)}")
    if reply.allow and (reply.reason or reply.interrupt):
        raise bad("reason and interrupt are for deny")
    if not reply.allow and always != ():
        raise bad("always is for allow")
    if not reply.allow and reply.answers:
        raise bad("answers are for allow")
    if not all(text.strip() for text in reply.answers):
        raise bad("answers must not be empty")
    return reply


def attach(raw: object) -> AttachRequest:
    """The request to be a client of a session's terminal."""
    body = Body(raw)
    columns = body.take("columns", 0, fields.whole)
    rows = body.take("rows", 0, fields.whole)
    request = AttachRequest(
        columns=columns or None,
        rows=rows or None,
        ignore_size=body.take("ignore_size", False, fields.boolean),
        read_only=body.take("read_only", False, fields.boolean),
        steal=body.take("steal", False, fields.boolean),
        lines=body.take("lines", 2000, fields.whole),
        from_start=body.take("from_start", False, fields.boolean),
    )
    body.finish()
    if (columns or rows) and not (1 <= columns <= _WIDEST and 1 <= rows <= _WIDEST):
        raise bad(f"columns and rows must both be from 1 to {_WIDEST}")
    if not 0 <= request.lines <= _MOST_LINES:
        raise bad(f"lines must be from 0 to {_MOST_LINES}")
    return request


def pipe(raw: object) -> PipeRequest:
    """The request to start a session as its program, or to come back to one."""
    body = Body(raw)
    none: Mapping[str, str] = {}
    request = PipeRequest(
        cwd=body.take("cwd", "", fields.text),
        args=body.take("args", (), fields.texts),
        env=body.take("env", none, fields.environment),
        name=body.take("name", "", fields.text),
        session=body.take("session", "", fields.text),
        inherited=body.take("inherited", "", fields.text),
        steal=body.take("steal", False, fields.boolean),
    )
    body.finish()
    if not request.cwd and not request.session:
        raise bad("cwd is missing: the absolute path that the session works in")
    return request


def reap(raw: object) -> tuple[Wanted, frozenset[tuple[int, int]] | None]:
    """What is to be ended, and what of it was confirmed (pid, start time); None to be shown it."""
    body = Body(raw)
    wanted = Wanted(
        session=body.take("session", "", fields.text),
        orphans=body.take("orphans", False, fields.yes),
        everything=body.take("all", False, fields.yes),
        foreign=body.take("foreign", (), fields.pids),
    )
    dry_run = body.take("dry_run", False, fields.yes)
    confirmed = body.take("confirmed", None, fields.identities)
    body.finish()
    if [bool(part) for part in vars(wanted).values()].count(True) != 1:
        raise bad("give one of session, orphans, all and foreign")
    if dry_run == (confirmed is not None):
        raise bad("give dry_run, or in confirmed what that has shown: pid and start_time of each")
    return wanted, confirmed


def switch(raw: object) -> bool:
    """The request to switch persistence on or off."""
    body = Body(raw)
    on = body.take("on", None, fields.maybe_flag)
    body.finish()
    if on is None:
        raise bad("on is missing: true or false")
    return on


def adoption(raw: object) -> tuple[int, str]:
    """The request to adopt a process: its pid, and a name if one was given."""
    body = Body(raw)
    pid = body.take("pid", 0, fields.whole)
    name = body.take("name", "", fields.text)
    body.finish()
    if pid <= 0:
        raise bad("pid is missing: a whole number above 0")
    return pid, name
