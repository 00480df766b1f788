"""Claude's command line and environment where a program speaks to it as to its own child."""

from __future__ import annotations

import os
from collections.abc import Mapping

from ..model.errors import ArtacError, ErrorKind
from ..model.permission import BYPASS
from ..model.session import SessionSpec
from .command import for_sessions
from .invocation import Invocation

# What would take the session out of artac's hands.
_ELSEWHERE = ("--bg", "--background", "--cloud", "--environment", "--teleport", "--tmux")
_SKIPPING = ("--dangerously-skip-permissions", "--allow-dangerously-skip-permissions")
# The account's, its login's, its desktop's: of another account's program they would lead nowhere.
_PERSONAL = frozenset("HOME LOGNAME MAIL OLDPWD SHELL SSH_AGENT_PID SSH_AUTH_SOCK USER".split())
_PERSONAL_PREFIXES = ("DBUS_", "XDG_", "WAYLAND_", "XAUTHORITY")

# What is noted of a session's arguments: that its output is events, and tells what it does.
TELLS = "--output-format=stream-json"

PROGRAM = "artac-claude"


def check(executable: str, args: tuple[str, ...]) -> Invocation:
    """What those arguments ask for; ArtacError(USAGE) when artac cannot host it."""
    if os.path.basename(os.path.realpath(executable)) == PROGRAM:
        raise ArtacError(
            ErrorKind.CONFIG,
            f"claude_code_path: {executable} is {PROGRAM} itself; give the path of Claude Code",
        )
    asked = Invocation(args)
    if asked.direct:
        raise ArtacError(ErrorKind.USAGE, "these arguments of claude's start no session")
    for option in _ELSEWHERE:
        if option in asked.given:
            raise ArtacError(
                ErrorKind.USAGE, f"{option} cannot be given to a hosted session: artac is its host"
            )
    # Each word, whatever it is the value of: another version may have another view of that.
    for number, word in enumerate(args):
        name, _, value = word.partition("=")
        if name in _SKIPPING:
            raise ArtacError(
                ErrorKind.USAGE,
                f"{name} cannot be given to a hosted session: "
                "artac does not host sessions that skip permissions",
            )
        following = args[number + 1] if number + 1 < len(args) else ""
        if name == "--permission-mode" and BYPASS in (value, following):
            raise ArtacError(
                ErrorKind.USAGE,
                f"--permission-mode {BYPASS} cannot be given to a hosted session: "
                "only a directory's policy can let its sessions do everything without asking",
            )
    return asked


def argv(
    executable: str, spec: SessionSpec, configured: tuple[str, ...], args: tuple[str, ...]
) -> list[str]:
    """The command line: the program's own, and before it only what was decided otherwise.

    `configured` are the settings' arguments for every session.
    """
    words = [executable, *configured]
    asked = Invocation(args)
    if spec.permission_mode and "--permission-mode" not in asked.options:
        words += ["--permission-mode", spec.permission_mode]
    if spec.denied_tools:
        words += ["--disallowed-tools", ",".join(spec.denied_tools)]
    if spec.allowed_tools:
        words += ["--allowed-tools", ",".join(spec.allowed_tools)]
    return [*words, *args]


def environment(
    base: Mapping[str, str],
    dotenv: Mapping[str, str],
    configured: Mapping[str, str],
    program: Mapping[str, str],
    spec: SessionSpec,
) -> dict[str, str]:
    """The program's own, over what the service has for every session."""
    env = {name: value for name, value in base.items() if for_sessions(name)}
    env.update(dotenv)
    env.update(configured)
    env.update(program)
    env["ARTAC_SESSION"] = spec.id
    env["ARTAC_NAME"] = spec.name
    return env


def of_program(env: Mapping[str, str], same_account: bool) -> dict[str, str]:
    """What a session gets of the environment of a program, which may be another account's."""
    return {
        name: value
        for name, value in env.items()
        if for_sessions(name) and (same_account or not _personal(name))
    }


def _personal(name: str) -> bool:
    return name in _PERSONAL or name.startswith(_PERSONAL_PREFIXES)
