"""What is written down of a session before it starts: what was asked for, made certain."""

from __future__ import annotations

import os
import time
import uuid

from ..host import processes, workdir
from ..model.session import Kind, LaunchRequest, Placement, SessionSpec
from ..model.settings import Settings
from . import piping, policies


def of(
    request: LaunchRequest,
    settings: Settings,
    new_id: str,
    by: str,
    placement: Placement,
    persistent: bool,
) -> SessionSpec:
    """The specification of a new session.

    ArtacError for a directory or a permission mode that the settings do not allow.
    """
    cwd = workdir.check(request.cwd, settings.allowed_roots)
    terms = policies.terms(settings, request, cwd, os.geteuid())
    spec = SessionSpec(
        id=new_id,
        name=request.name or new_id,
        kind=request.kind,
        placement=placement,
        persistent=persistent,
        cwd=cwd,
        claude_session_id=str(uuid.uuid4()),
        created_at=time.time(),
        boot_id=processes.boot_id(),
        model=request.model,
        permission_mode=terms.permission_mode,
        allowed_tools=terms.allowed_tools,
        denied_tools=terms.denied_tools,
        claude_args=(*settings.claude_args, *request.claude_args),
        env_names=tuple(sorted(request.env)),
        created_by=by,
        restart=request.restart,
        declared=request.declared,
        one_shot=(request.prompt_uuid or "") if request.one_shot else "",
        turn_timeout=request.turn_timeout,
        deny_permissions=request.deny_permissions,
    )
    return piping.record(spec, request) if request.kind is Kind.PIPED else spec
