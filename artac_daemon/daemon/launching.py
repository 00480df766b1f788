"""Telling a keeper that is in its place what to start in it."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..claude import command, conversation, hooks, piped, registry, stream
from ..host.store import Store
from ..keeper import __file__ as keeper_package
from ..model.session import Kind, LaunchRequest, Placement, SessionSpec
from ..model.settings import Settings
from . import first_run, piping
from .placement import Started
from .session import Session

log = logging.getLogger("artac.sessions")

HOOK = str(Path(keeper_package).with_name("hook.py"))


@dataclass(frozen=True)
class Means:
    """What the backend gives every session."""

    settings: Settings
    session_environment: Mapping[str, str]
    open_files: int  # the soft limit
    store: Store


async def launch(
    means: Means, session: Session, started: Started, executable: str, request: LaunchRequest
) -> None:
    """Have Claude started; ArtacError or TimeoutError when it was not."""
    settings, spec = means.settings, session.spec
    columns, rows = request.size or settings.terminal_size
    env = _environment(means, spec, request)
    if spec.kind is Kind.TERMINAL:
        told = logging.LoggerAdapter(log, session.about("first-run"))
        session.first_run = await first_run.prepare(spec, settings.trusted_directories, env, told)
    reply = await asyncio.wait_for(
        started.link.request(
            "launch",
            spec=spec.to_json(),
            name=spec.name,
            argv=_argv(means, executable, spec, request),
            env=env,
            cwd=spec.cwd,
            umask=settings.session_umask,
            open_files=means.open_files,
            terminal=spec.kind is Kind.TERMINAL,
            piped=piping.how(request),
            columns=columns,
            rows=rows,
            cgroup=str(started.cgroup) if started.cgroup else None,
            input=_opening(request),
            grace=settings.stop_grace,
            output_max=settings.output_max,
            runtime_max=session.granted.limits.runtime_max if session.granted else None,
            bound=spec.placement is Placement.DETACHED and not spec.persistent,
            conversation=_lock(means.store, spec, env, request.resumed),
        ),
        settings.start_timeout,
    )
    session.launched(reply, registry.directory(env))
    if request.prompt_uuid is not None:
        session.messages.delivered(request.prompt_uuid)


def _environment(means: Means, spec: SessionSpec, request: LaunchRequest) -> dict[str, str]:
    sources = (os.environ, means.session_environment, means.settings.session_env, request.env)
    if spec.kind is Kind.PIPED:
        return piped.environment(*sources, spec)
    return command.environment(*sources, spec, request.continue_interrupted)


def _argv(means: Means, executable: str, spec: SessionSpec, request: LaunchRequest) -> list[str]:
    if spec.kind is Kind.PIPED:
        return piped.argv(executable, spec, means.settings.claude_args, request.claude_args)
    return command.argv(executable, spec, _settings(means.store, spec), request.resumed)


def _settings(store: Store, spec: SessionSpec) -> str:
    """The file of settings that makes Claude on a terminal tell what it does; "" for none."""
    if spec.kind is not Kind.TERMINAL:
        return ""
    _, users = hooks.take_settings(spec.claude_args)
    theirs = None if users is None else hooks.users_settings(users, spec.cwd)
    program = [sys.executable, "-I", "-S", HOOK, str(store.make_hooks(spec.id))]
    return str(store.write_settings(spec.id, hooks.settings(program, theirs)))


def _lock(
    store: Store, spec: SessionSpec, env: Mapping[str, str], resumed: bool
) -> dict[str, Any] | None:
    """How the keeper makes sure that nobody else has the conversation."""
    config = conversation.config_directory(env, spec.cwd)
    if not config or not spec.claude_session_id:
        return None
    lock = conversation.lock_path(config, spec.claude_session_id)
    return {"lock": lock, "state": str(store.root), "resumed": resumed}


def _opening(request: LaunchRequest) -> list[dict[str, str]]:
    """The first input, as the keeper wants it; Claude answers `initialize` once it is up."""
    if request.kind is not Kind.HEADLESS:
        return []
    lines = [{"key": "", "line": stream.initialize()}]
    if request.prompt is not None and request.prompt_uuid is not None:
        message = stream.user_message(request.prompt, request.prompt_uuid)
        lines.append({"key": request.prompt_uuid, "line": message})
    return lines
