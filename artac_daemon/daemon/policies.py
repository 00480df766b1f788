"""What a new session may do: as its start says, else its directory's policy, else the settings."""

from __future__ import annotations

from dataclasses import dataclass

from ..host import workdir
from ..model.errors import ArtacError, ErrorKind
from ..model.permission import BYPASS
from ..model.policy import Policy
from ..model.session import LaunchRequest
from ..model.settings import Settings


@dataclass(frozen=True)
class Terms:
    """What a session is started with."""

    permission_mode: str
    allowed_tools: tuple[str, ...]
    denied_tools: tuple[str, ...]


def terms(settings: Settings, request: LaunchRequest, cwd: str, uid: int) -> Terms:
    """For a session that works in that real path, as that user.

    ArtacError(DENIED) where a policy would let root do everything without asking.
    """
    policy = _of(settings, cwd)
    mode = request.permission_mode or policy.permission_mode or settings.permission_mode.value
    if mode == BYPASS and uid == 0:
        raise ArtacError(
            ErrorKind.DENIED,
            f"policies: {policy.root} has {BYPASS}, which no session of root's gets; "
            "run artacd as another account, or start the session with another permission mode",
        )
    # What is denied stays denied, whatever a start allows.
    return Terms(mode, request.allowed_tools or policy.allowed_tools, policy.denied_tools)


def _of(settings: Settings, cwd: str) -> Policy:
    root = workdir.nearest(cwd, [policy.root for policy in settings.policies])
    found = (policy for policy in settings.policies if policy.root == root)
    return next(found, Policy(""))
