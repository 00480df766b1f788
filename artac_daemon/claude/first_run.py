"""What Claude Code asks at a terminal session's start, before its prompt is there.

Measured on 2.1.330 and 2.1.197, in homes of their own, with nobody answering. A dialog stays until
somebody answers it: no timeout. Meanwhile there is no hook, not even SessionStart, and no
sessions/PID.json beside Claude's settings; that file comes with the prompt. Each dialog comes, in
this order, unless what stands in its last column is there. FILE is .claude.json; the answer that is
chosen first is in *asterisks*, that of 2.1.197 in parentheses where it is another.

| dialog             | answers                           | is not shown if                         |
|--------------------|-----------------------------------|-----------------------------------------|
| configuration      | *exit*, reset                     | FILE is missing, blank or valid JSON    |
| onboarding         | theme, login or key, notes        | FILE hasCompletedOnboarding             |
| trust              | *exit*, yes (yes)                 | FILE projects[D].hasTrustDialogAccepted |
| mcp-servers        | use, use all, *leave out* (use)   | settings or FILE name or allow them     |
| imports            | *disable*, allow (allow)          | CLAUDE.md imports nothing from outside  |
| api-key            | yes, *no*                         | FILE customApiKeyResponses              |
| bypass-permissions | *exit*, accept                    | skipDangerousModePermissionPrompt       |
| settings           | *fix*, exit, go on without (exit) | settings are valid                      |

"Exit" ends Claude with 1, Escape chooses it (2.1.330: with 0). Onboarding without a token or a
provider's cloud begins with a connection to api.anthropic.com, whatever ANTHROPIC_BASE_URL says;
without one Claude ends with 1. customApiKeyResponses has the last 20 characters of keys that were
approved or refused.

D of trust is the working directory or one above it, symbolic links resolved; in a git repository
also its root and the root of the one that a worktree belongs to. 2.1.330 looks no higher than the
root of the repository, 2.1.197 does. Of a home 2.1.330 keeps no trust. CLAUDE_CODE_SANDBOXED=1 does
without trust: it is not documented, every tool inherits it, and it holds for all directories. A
project's own permission rules count only if that very directory is trusted, or in a repository its
root.

Headless (-p) nothing is asked, and the project's MCP servers are started. Without trust the
project's permission rules are ignored, which stderr tells. A key is used unapproved. A FILE that is
not valid JSON ends Claude with 1. Notices (effort, auto mode) are lines above the prompt, no
dialogs.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# How much of a key Claude remembers when it was approved or refused.
_KEY_ENDING = 20
_PROVIDERS = ("CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY")
_NOT_SET = ("", "0", "false", "no", "off")


@dataclass(frozen=True)
class Home:
    """What Claude reads in its home: `path` is its .claude.json, `damage` what is wrong with that.

    `settings` are those that concern a session there, by the path of their file; `broken` the files
    of settings that are no JSON object.
    """

    path: str
    directory: str
    configuration: Mapping[str, Any]
    damage: str = ""
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    broken: tuple[str, ...] = ()


@dataclass(frozen=True)
class Place:
    """A working directory, links resolved: the root of its repository, and of a worktree's origin.

    Both "" where there is none. `mcp_servers` are named in .mcp.json there or above.
    """

    cwd: str
    repository: str = ""
    origin: str = ""
    mcp_servers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Question:
    """A dialog that waits for a person: what it is about, and what to do about it."""

    dialog: str
    sentence: str
    what_to_do: str

    def to_json(self) -> dict[str, str]:
        """The form in the API."""
        return {
            "dialog": self.dialog,
            "sentence": self.sentence,
            "what_to_do": self.what_to_do,
        }


def questions(home: Home, place: Place | None, environ: Mapping[str, str]) -> list[Question]:
    """What a terminal session will ask, in its order; without a place what it asks anywhere.

    `environ` is the session's whole environment. A question that artac cannot foresee (imports of a
    CLAUDE.md, settings with a wrong value) is not in it.
    """
    if home.damage:
        return [_configuration(home)]
    found = []
    onboarded = home.configuration.get("hasCompletedOnboarding") is True
    if not onboarded:
        found.append(_onboarding(home))
    if place is not None and not is_trusted(home, place) and not _is_on(environ, _SANDBOXED):
        found.append(_trust(home, place))
    # With broken settings the servers are left out unasked.
    if place is not None and not home.broken and (servers := _unknown_servers(home, place)):
        found.append(_mcp(servers))
    key = _key(home, environ)
    # Onboarding asks about the key itself.
    if onboarded and key and key[-_KEY_ENDING:] not in _answered_keys(home.configuration):
        found.append(_api_key(home))
    if _bypasses(home):
        found.append(_bypass())
    return found + [_broken(path) for path in home.broken]


_SANDBOXED = "CLAUDE_CODE_SANDBOXED"


def check(
    home: Home, environ: Mapping[str, str], trusted_directories: Sequence[str]
) -> tuple[str, str, str, str]:
    """For doctor: name, status, detail and fix, on what terminal sessions ask in any directory."""
    name = "terminal sessions"
    asked = questions(home, None, environ)
    if asked:
        detail = "; ".join(question.sentence for question in asked)
        status = "fail" if home.damage else "warn"  # the one that ends headless sessions, too
        return name, status, detail, asked[0].what_to_do
    where = f"but in {', '.join(trusted_directories)}" if trusted_directories else "everywhere"
    detail = f"Claude asks nothing but whether a new directory is trusted, {where}"
    return name, "ok", detail, ""


def is_trusted(home: Home, place: Place) -> bool:
    """Whether Claude asks no more whether the files there are trusted."""
    projects = _mapping(home.configuration.get("projects"))
    roots = [root for root in (place.repository, place.origin) if root]
    return any(
        _mapping(projects.get(directory)).get("hasTrustDialogAccepted") is True
        for directory in (*roots, *_upwards(place.cwd, place.repository))
    )


def is_below(directory: str, tops: Iterable[str]) -> bool:
    """Whether a directory, links resolved, is one of those or below one of them."""
    return any(
        directory == top or directory.startswith(top.rstrip("/") + "/")
        for top in map(os.path.realpath, tops)
    )


def _upwards(directory: str, last: str) -> Iterable[str]:
    while True:
        yield directory
        above = os.path.dirname(directory)
        if directory in (last, above):
            return
        directory = above


def _unknown_servers(home: Home, place: Place) -> list[str]:
    """The project's MCP servers that nobody has allowed or refused."""
    projects = _mapping(home.configuration.get("projects"))
    project = _mapping(projects.get(place.origin or place.repository or place.cwd))
    known: set[str] = set()
    for source in (project, *home.settings.values()):
        if source.get("enableAllProjectMcpServers") is True:
            return []
        for key in ("enabledMcpjsonServers", "disabledMcpjsonServers"):
            known.update(_texts(source.get(key)))
    return [name for name in place.mcp_servers if name not in known]


def _key(home: Home, environ: Mapping[str, str]) -> str:
    """The API key that Claude would use; "" where it uses none. It is never shown."""
    given = dict(environ)
    for settings in home.settings.values():
        given.update({k: v for k, v in _mapping(settings.get("env")).items() if isinstance(v, str)})
    if any(_is_on(given, name) for name in _PROVIDERS):
        return ""
    return given.get("ANTHROPIC_API_KEY", "").strip()


def _answered_keys(configuration: Mapping[str, Any]) -> list[str]:
    answers = _mapping(configuration.get("customApiKeyResponses"))
    return _texts(answers.get("approved")) + _texts(answers.get("rejected"))


def _bypasses(home: Home) -> bool:
    permissions = [_mapping(settings.get("permissions")) for settings in home.settings.values()]
    modes = [mode for found in permissions if (mode := found.get("defaultMode"))]
    accepted = home.configuration.get("bypassPermissionsModeAccepted") is True or any(
        settings.get("skipDangerousModePermissionPrompt") is True
        for settings in home.settings.values()
    )
    return modes[-1:] == ["bypassPermissions"] and not accepted


def _is_on(environ: Mapping[str, str], name: str) -> bool:
    return environ.get(name, "").lower() not in _NOT_SET


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _texts(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _configuration(home: Home) -> Question:
    return Question(
        "configuration",
        f"Claude cannot use its configuration and asks whether to reset it: {home.damage}",
        f"mend {home.path}, or move it aside to start with none; headless sessions end at once",
    )


def _onboarding(home: Home) -> Question:
    return Question(
        "onboarding",
        f"Claude has not been set up in {home.directory} yet: it asks for a theme, a login or the "
        "use of the key, and shows notes on security",
        "answer it once in a terminal; it is remembered for this account",
    )


def _trust(home: Home, place: Place) -> Question:
    what = "Claude asks whether the files in this directory are trusted"
    if place.cwd == home.directory:
        return Question(
            "trust",
            f"{what}; it is the home, whose trust Claude does not keep",
            "answer it in the terminal, or work in a directory below it",
        )
    return Question(
        "trust",
        what,
        "look at them and answer it in the terminal; artac answers it for directories "
        "in trusted_directories only",
    )


def _broken(path: str) -> Question:
    return Question(
        "settings",
        f"Claude asks whether to go on without the settings in {path}: it is not valid",
        f"mend {path}",
    )


def _mcp(servers: list[str]) -> Question:
    return Question(
        "mcp-servers",
        f"Claude asks about MCP servers that the project brings: {', '.join(servers)}",
        "answer it in the terminal, or name them in enabledMcpjsonServers or "
        "disabledMcpjsonServers of Claude's settings",
    )


def _api_key(home: Home) -> Question:
    return Question(
        "api-key",
        "Claude asks whether to use the ANTHROPIC_API_KEY that it was given; No is chosen first",
        f"answer it once in a terminal; it is remembered in {home.path}",
    )


def _bypass() -> Question:
    return Question(
        "bypass-permissions",
        "Claude's settings let it work without asking (bypassPermissions), and it asks whether "
        "that is accepted; Exit is chosen first",
        "answer it in the terminal, or choose another permissions.defaultMode",
    )
