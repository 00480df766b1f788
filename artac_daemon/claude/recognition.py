"""Which processes run Claude Code, and which its MCP servers, by what is known of the CLI.

A name anywhere in a command line says nothing: an editor with claude.md open is no Claude. Counted
is the program itself, or the script that an interpreter runs. Seen on 2.1.330.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from os.path import basename

from ..model.census import Foreign
from ..model.process import Process

# Claude Code writes `claude bg-pty-host` and `claude bg-spare` in place of argv[0].
_NAME = re.compile(r"claude(?:\.exe)?(?: bg-[a-z-]+)?")
# Where its installers put it; the native one names the file by the version.
_PLACES = re.compile(
    r"/@anthropic-ai/claude-code[^/]*/(?:cli\.[a-z]+|cli-wrapper\.cjs|bin/[^/]+)$"
    r"|/claude/versions/[0-9][^/]*$"
)
# Tools that are built into its program, which runs itself under their names.
_BUILT_IN = ("rg", "ugrep", "bfs")
_JAVASCRIPT = ("node", "nodejs", "bun", "deno")
_VALUED = ("-r", "--require", "--import", "--loader", "--experimental-loader", "-C", "--conditions")

_PRINT = ("-p", "--print")
_BACKGROUND = ("--bg-pty-host", "--bg-spare", "--bg")

_RUNNERS = re.compile(
    r"(?:node|nodejs|bun|bunx|deno|npx|npm|pnpm|yarn|uv|uvx|pipx|python[0-9.]*|docker|podman|java|"
    r"ruby|dotnet|go)(?: .*)?"
)
_MCP = re.compile(r"(?:^|[^a-z0-9])(?:mcp|modelcontextprotocol)(?:[^a-z0-9]|$)", re.IGNORECASE)


def kind(process: Process) -> Foreign | None:
    """How Claude Code is run by that process; None for one that does not run it."""
    if not runs_claude(process.program, process.words):
        return None
    words = process.words[1:]
    if any(word in _BACKGROUND for word in words) or words[:2] == ("daemon", "run"):
        return Foreign.BACKGROUND
    if any(word in _PRINT for word in words) or not process.terminal:
        return Foreign.HEADLESS
    return Foreign.INTERACTIVE


def mcp_servers(processes: Mapping[int, Process], claudes: Collection[int]) -> set[int]:
    """The MCP servers, as far as can be told, among the children of those Claude processes.

    Tools are started in kernel sessions of their own (setsid), servers in Claude's. So is git,
    which Claude asks now and then: it takes a word of MCP, or a program that runs others' code.
    """
    found = set()
    for process in processes.values():
        if process.parent not in claudes or process.group != processes[process.parent].group:
            continue
        first = basename(process.words[0]) if process.words else ""
        if _RUNNERS.fullmatch(first) or any(map(_MCP.search, process.words)):
            found.add(process.pid)
    return found


def runs_claude(program: str, words: tuple[str, ...]) -> bool:
    """Whether a process of that executable (a path, "" if unknown) and command line is one."""
    if not words:
        return False
    if basename(words[0]) in _BUILT_IN:
        return False
    if _is_its_file(words[0]) or _is_its_file(program):
        return True
    return basename(words[0]) in _JAVASCRIPT and _is_its_file(_script(words))


def _is_its_file(path: str) -> bool:
    return _NAME.fullmatch(basename(path)) is not None or _PLACES.search(path) is not None


def _script(words: tuple[str, ...]) -> str:
    """The script in an interpreter's command line: its first word that belongs to no option."""
    rest = iter(words[1:])
    for word in rest:
        if word in _VALUED:
            next(rest, None)
        elif not word.startswith("-") and word != "run":
            return word
    return ""
