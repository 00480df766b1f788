"""What a command line of `claude` asks for: read the way the CLI itself reads it.

Nothing is imported: a program waits while this is read.
"""

# Commands of the CLI that are no session, and end by themselves.
_COMMANDS = frozenset(
    "agents attach auth auto-mode config doctor gateway help import install kill logs mcp "
    "migrate-installer plugin plugins purge remote-control respawn rm setup-token stop ultrareview "
    "update upgrade".split()
)
_NO_SESSION = ("-v", "--version", "-h", "--help")
# Those that take the next word, whatever it is.
_VALUE = frozenset(
    "--advisor --agent --agent-color --agent-id --agent-name --agent-type --agents "
    "--append-subagent-system-prompt --append-subagent-system-prompt-file --append-system-prompt "
    "--append-system-prompt-file --autocompact --debug-file --effort --environment "
    "--fallback-model --fast-mode --initialize-fields --input-format --json-schema "
    "--managed-settings --max-budget-usd --max-cost --max-thinking-tokens --max-turns --model "
    "--name -n --output-format --parent-session-id --permission-mode --permission-prompt-tool "
    "--permission-prompts --plan-mode-instructions --plugin-dir --plugin-url --prefill "
    "--project-config-root --remote-control-session-name-prefix --resume-session-at "
    "--rewind-files --sdk-url --session-id --setting-sources --settings --system-prompt "
    "--system-prompt-file --system-prompt-snapshot --task-budget --thinking".split()
)
# Those that take words up to the next option.
_VALUES = frozenset(
    "--add-dir --allowedTools --allowed-tools --betas --channels --disallowedTools "
    "--disallowed-tools --file --mcp-config --tools".split()
)
# Those that take the next word unless it is an option.
_MAY_VALUE = frozenset(
    "--cloud --debug -d --from-pr --prompt-suggestions --remote-control --resume -r --teleport "
    "--worktree -w".split()
)
_ALIASES = {
    "-c": "--continue",
    "-p": "--print",
    "-r": "--resume",
    "--allowed-tools": "--allowedTools",
    "--disallowed-tools": "--disallowedTools",
}


class Invocation:
    """A command line: its options with the last value of each ("" for none), and the first word.

    `direct`: it is no session, and is to be run as it is.
    """

    def __init__(self, words: "list[str] | tuple[str, ...]") -> None:
        self.options: dict[str, str] = {}
        self.given: set[str] = set()  # as they were written
        self.operand: str | None = None
        self.direct = False
        self._read(list(words))
        self.direct |= self.operand in _COMMANDS

    @property
    def prints(self) -> bool:
        """Whether it is a session without a terminal of its own."""
        return "--print" in self.options

    @property
    def lines(self) -> bool:
        """Whether Claude reads its input line by line, and dies of half a one."""
        return self.options.get("--input-format") == "stream-json"

    @property
    def tells(self) -> bool:
        """Whether Claude's output is events."""
        return self.options.get("--output-format") == "stream-json"

    @property
    def conversation(self) -> str:
        """The id of the conversation that it writes to; "" where it does not say."""
        if "--fork-session" in self.options:
            return self.options.get("--session-id", "")
        return self.options.get("--resume") or self.options.get("--session-id", "")

    def _read(self, words: list[str]) -> None:
        at = 0
        while at < len(words):
            word = words[at]
            at += 1
            if word == "--":
                return
            if not word.startswith("-") or word == "-":
                if self.operand is None:
                    self.operand = word
                continue
            if word in _NO_SESSION:
                self.direct = True
            name, equals, value = word.partition("=")
            if not name.startswith("--"):
                at = self._short(word, words, at)
                continue
            if not equals:
                at, value = self._value(name, words, at)
            self._put(name, value)

    def _short(self, word: str, words: list[str], at: int) -> int:
        """Short options may be written as one word: -pc is -p -c, and -nX is -n X."""
        for place, letter in enumerate(word[1:], 2):
            name, rest = f"-{letter}", word[place:]
            if name in _NO_SESSION:
                self.direct = True
            if rest and (name in _VALUE or name in _MAY_VALUE):
                self._put(name, rest)
                return at
            value = ""
            if not rest:
                at, value = self._value(name, words, at)
            self._put(name, value)
        return at

    def _value(self, name: str, words: list[str], at: int) -> tuple[int, str]:
        if name in _VALUE:
            return at + 1, words[at] if at < len(words) else ""
        if name in _MAY_VALUE and at < len(words) and not words[at].startswith("-"):
            return at + 1, words[at]
        if name in _VALUES:
            first = at
            while at < len(words) and not words[at].startswith("-"):
                at += 1
            return at, ",".join(words[first:at])
        return at, ""

    def _put(self, name: str, value: str) -> None:
        self.given.add(name)
        self.options[_ALIASES.get(name, name)] = value
