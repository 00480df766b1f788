"""What counts as Claude Code, as its background, and as an MCP server; and what does not."""

from __future__ import annotations

import pytest

from artac_daemon.claude import recognition
from artac_daemon.model.census import Foreign
from artac_daemon.model.process import Process


def process(
    *words: str, pid: int = 2, parent: int = 1, group: int = 2, **traits: object
) -> Process:
    plain = Process(
        pid, parent, group, 1000, 100, False, "name", words, "", "/user.slice", "", 4096, 0.0
    )
    return plain._replace(**traits)


# As seen of 2.1.330 in a container machine, but for the ones of node.
SEEN = [
    (("claude",), Foreign.INTERACTIVE),
    (("claude", "-p", "say one word"), Foreign.HEADLESS),
    (("/usr/local/bin/claude", "-p", "--input-format", "stream-json"), Foreign.HEADLESS),
    (("claude", "--print"), Foreign.HEADLESS),
    (("/opt/claude-code/claude", "daemon", "run", "--origin", "transient"), Foreign.BACKGROUND),
    (("claude bg-spare", "--bg-spare", "/tmp/cc-daemon-1000/x"), Foreign.BACKGROUND),
    (("claude bg-pty-host", "--bg-pty-host", "/tmp/x", "200", "50"), Foreign.BACKGROUND),
    (("/home/u/.local/share/claude/versions/2.1.330", "--continue"), Foreign.INTERACTIVE),
    (("node", "/usr/lib/node_modules/@anthropic-ai/claude-code/cli.js"), Foreign.INTERACTIVE),
    (("node", "--require", "x.js", "--no-warnings", "/usr/bin/claude", "-p"), Foreign.HEADLESS),
    (("/usr/bin/bun", "run", "/x/@anthropic-ai/claude-code/cli.js"), Foreign.INTERACTIVE),
]


@pytest.mark.parametrize(("words", "kind"), SEEN)
def test_claude_code_as_it_is_run(words: tuple[str, ...], kind: Foreign) -> None:
    assert recognition.kind(process(*words, terminal=True)) is kind


def test_without_a_terminal_nobody_is_there_to_type() -> None:
    assert recognition.kind(process("claude")) is Foreign.HEADLESS


NOT_CLAUDE = [
    (),
    ("vim", "claude.md"),
    ("vim", "claude"),
    ("emacs", "/src/@anthropic-ai/claude-code/cli.js"),
    ("claude.md",),
    ("/usr/bin/claude-desktop",),
    ("claudette", "-p"),
    ("claude notes",),
    ("grep", "-r", "claude", "/usr/bin/claude"),
    ("bash", "-c", "claude -p hello"),
    ("tail", "-f", "/home/claude/claude"),
    ("node", "/srv/app.js", "claude", "/usr/bin/claude"),
    ("node", "--require", "/usr/bin/claude", "/srv/app.js"),
    ("python3", "/usr/bin/claude"),
    ("/backup/claude/versions/list", "x"),
    ("/x/@anthropic-ai/claude-code/vendor/ripgrep/x64-linux/rg", "x"),
    ("sshd: claude@pts/0",),
    ("su", "-", "claude"),
]


@pytest.mark.parametrize("words", NOT_CLAUDE)
def test_the_word_alone_makes_no_claude(words: tuple[str, ...]) -> None:
    assert recognition.kind(process(*words, name="claude", terminal=True)) is None


def test_the_program_counts_when_its_name_is_hidden() -> None:
    hidden = process("x", "-p", program="/home/u/.local/share/claude/versions/2.1.330")
    assert recognition.kind(hidden) is Foreign.HEADLESS
    # Claude Code runs itself under the names of tools that are built in.
    assert recognition.kind(process("rg", "x", program="/usr/local/bin/claude")) is None


def test_mcp_servers_are_told_from_tools_and_from_git() -> None:
    claude = process("claude", "-p", pid=10, group=10)
    below = {
        11: process("python3", "/srv/weather.py", group=10),
        12: process("npm exec @modelcontextprotocol/server-everything", group=10),
        13: process("/usr/local/bin/mcp-server-time", group=10),
        14: process("sh", "-c", "npx -y weather-mcp", group=10),
        15: process("git", "status", group=10),
        16: process("/bin/bash", "-c", "npx some-mcp", group=16),  # setsid: a tool
        17: process("mcpherson", group=10),
    }
    seen = {pid: one._replace(pid=pid, parent=10) for pid, one in below.items()}
    seen[10] = claude
    seen[20] = process("python3", "mcp.py", pid=20, parent=11, group=10)
    assert recognition.mcp_servers(seen, {10}) == {11, 12, 13, 14}
