"""Claude's command line and environment for a hosted session."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping

from ..model.errors import ArtacError, ErrorKind
from ..model.session import Kind, SessionSpec
from . import hooks

# What artac sets itself, or what would take the session out of its hands.
_OURS = {
    "-p": "artac decides it by the kind of session",
    "--print": "artac decides it by the kind of session",
    "--input-format": "artac speaks stream-json",
    "--output-format": "artac speaks stream-json",
    "--replay-user-messages": "artac sets it",
    "--verbose": "artac sets it",
    "--session-id": "artac chooses it",
    "--resume": "a conversation has one session",
    "-r": "a conversation has one session",
    "--continue": "a conversation has one session",
    "-c": "a conversation has one session",
    "--fork-session": "a conversation has one session",
    "--model": "use artac's own --model",
    "--permission-mode": "use artac's own --permission-mode",
    "--allowedTools": "use artac's own --allowed-tools",
    "--allowed-tools": "use artac's own --allowed-tools",
    "--permission-prompt-tool": "artac answers: artac permissions",
    "--bg": "artac is the background",
    "--background": "artac is the background",
    "--dangerously-skip-permissions": "artac does not host sessions that skip permissions",
    "--allow-dangerously-skip-permissions": "artac does not host sessions that skip permissions",
}

# systemd's words to the backend. A session that had them could speak to systemd in its name.
_NOT_FOR_SESSIONS = (
    "NOTIFY_SOCKET",
    "JOURNAL_STREAM",
    "INVOCATION_ID",
    "SYSTEMD_EXEC_PID",
    "MEMORY_PRESSURE_WATCH",
    "MEMORY_PRESSURE_WRITE",
    "CREDENTIALS_DIRECTORY",
    "PERSIST_CLAUDE_SESSIONS",
    "CLAUDE_CODE_PATH",
)
_RUN_AGAIN = "CLAUDE_CODE_RESUME_INTERRUPTED_TURN"
_NOT_FOR_SESSIONS_PREFIXES = ("WATCHDOG_", "LISTEN_", "ARTAC_")
_NOT_FOR_SESSIONS_SUFFIX = "_DIRECTORY"  # STATE_, RUNTIME_, CONFIGURATION_, LOGS_, CACHE_
_SYSTEMD_DIRECTORIES = ("STATE", "RUNTIME", "CONFIGURATION", "LOGS", "CACHE")


def find(configured: str, path: str | None = None) -> str:
    """The absolute path of `claude`; ArtacError(CONFIG) saying where it was looked for."""
    if configured:
        if os.access(configured, os.X_OK) and os.path.isfile(configured):
            return configured
        raise ArtacError(
            ErrorKind.CONFIG, f"claude_code_path: {configured} is not a file that can be executed"
        )
    found = shutil.which("claude", path=path)
    if found is None:
        raise ArtacError(
            ErrorKind.CONFIG,
            "claude was not found in PATH: install Claude Code "
            "(npm install -g @anthropic-ai/claude-code) or set claude_code_path",
        )
    return os.path.abspath(found)


def check_args(args: tuple[str, ...]) -> tuple[str, ...]:
    """The user's own arguments for Claude, if artac can host a session with them."""
    for word in args:
        option = _ours_in(word)
        if option:
            raise ArtacError(
                ErrorKind.USAGE, f"{option} cannot be given to a hosted session: {_OURS[option]}"
            )
        if "\0" in word:
            raise ArtacError(ErrorKind.USAGE, "an argument holds a NUL character")
    return args


def _ours_in(word: str) -> str:
    """The option of ours that a word of the command line is or contains; "" for none."""
    if word.startswith("-") and not word.startswith("--"):
        # Short options may be written as one word: -pc is -p -c.
        return next((f"-{letter}" for letter in word[1:] if f"-{letter}" in _OURS), "")
    option = word.split("=", 1)[0]
    return option if option in _OURS else ""


def argv(
    executable: str, spec: SessionSpec, settings: str = "", resumed: bool = False
) -> list[str]:
    """The command line. It holds no prompt and no key: those travel by stdin and environment.

    `settings` is a file of settings that has the user's own in it. `resumed`: Claude has the
    conversation already.
    """
    words = [executable]
    if spec.kind is Kind.HEADLESS:
        words += ["-p", "--input-format", "stream-json", "--output-format", "stream-json"]
        words += ["--verbose", "--replay-user-messages"]
        if not spec.deny_permissions:
            # Without it whatever would be asked is denied.
            words += ["--permission-prompt-tool", "stdio"]
    words += ["--resume" if resumed else "--session-id", spec.claude_session_id]
    if spec.model:
        words += ["--model", spec.model]
    if spec.permission_mode:
        # Also the default one: without a word 2.1.330 starts a terminal in its auto mode.
        words += ["--permission-mode", spec.permission_mode]
    if spec.denied_tools:
        words += ["--disallowed-tools", ",".join(spec.denied_tools)]
    if spec.allowed_tools:
        words += ["--allowed-tools", ",".join(spec.allowed_tools)]
    if not settings:
        return [*words, *spec.claude_args]
    return [*words, "--settings", settings, *hooks.take_settings(spec.claude_args)[0]]


def environment(
    base: Mapping[str, str],
    dotenv: Mapping[str, str],
    configured: Mapping[str, str],
    asked: Mapping[str, str],
    spec: SessionSpec,
    continue_interrupted: bool = False,
) -> dict[str, str]:
    """The session's environment: the service's without systemd's words, then each later source."""
    env = {name: value for name, value in base.items() if for_sessions(name)}
    env.update(dotenv)
    env.update(configured)
    env.update(asked)
    # Where it is set, Claude runs an interrupted turn again by itself, and its tools a second time.
    env.pop(_RUN_AGAIN, None)
    if continue_interrupted:
        env[_RUN_AGAIN] = "1"
    env["ARTAC_SESSION"] = spec.id
    env["ARTAC_NAME"] = spec.name
    env["CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS"] = "1"
    if spec.kind is Kind.TERMINAL:
        env.setdefault("TERM", "xterm-256color")
        if env["TERM"] == "dumb":
            env["TERM"] = "xterm-256color"
    return env


def for_sessions(name: str) -> bool:
    """Whether a variable of that name may go from a service or a program into a session."""
    if name in _NOT_FOR_SESSIONS or name.startswith(_NOT_FOR_SESSIONS_PREFIXES):
        return False
    stem = name.removesuffix(_NOT_FOR_SESSIONS_SUFFIX)
    return stem == name or stem not in _SYSTEMD_DIRECTORIES
