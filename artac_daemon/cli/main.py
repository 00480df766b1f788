"""artac: finds the verb, runs it, and turns whatever happens into one line and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

from ..model.errors import ArtacError, ErrorKind

# typing's own would cost every command the import of typing.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from types import ModuleType

    from .options import Parser

# As a shell reports a command that the signal ended.
_INTERRUPTED, _PIPE_CLOSED = 130, 141


# Each verb: the module of this package that has it, and what it does. The module has `VERB` and
# `VERB_options`, so that a command imports no more than it needs.
VERBS = {
    "run": ("starting", "start a session"),
    "exec": ("one_shot", "one prompt in a session of its own: its reply, and nothing stays"),
    "start": ("declared", "start declared sessions, those of files in sessions.d"),
    "attach": ("attach", "a session's terminal in this one"),
    "resume": ("resuming", "take up the conversation of a session that has ended"),
    "ls": ("listing", "list the sessions"),
    "declared": ("declared", "the declared sessions, and what is wrong with them"),
    "top": ("top", "what every session uses, live"),
    "status": ("showing", "all about one session, or the daemon's health"),
    "ps": ("processes", "the processes of sessions, and Claude processes of others"),
    "why": ("why", "why a session ended, or what it is doing, with the evidence"),
    "send": ("messages", "send a message to a session"),
    "messages": ("message_queue", "the messages to a session that wait, or all of them"),
    "cancel": ("message_queue", "take a message back that Claude has not begun with"),
    "logs": ("logs", "what a session said, readably"),
    "screen": ("screen", "what a terminal session shows now, as text"),
    "events": ("events", "Claude's own events as JSON lines; the life of all sessions"),
    "interrupt": ("messages", "end the turn that is under way; the session goes on"),
    "permissions": ("permissions", "what sessions ask permission for, and wait"),
    "allow": ("permissions", "let a session do what it asks for"),
    "deny": ("permissions", "refuse a session what it asks for"),
    "answer": ("permissions", "answer what Claude asks you"),
    "stop": ("ending", "end sessions in order"),
    "kill": ("ending", "end sessions at once"),
    "limit": ("limiting", "what a session may use: memory, tasks, CPU, time"),
    "reap": ("reaping", "end what sessions left behind, or processes that you name"),
    "wait": ("waiting", "wait until a session ended, or is in some state"),
    "restarts": ("resuming", "when a session is resumed by itself: after a failure, at boot"),
    "persist": ("persisting", "let running sessions outlive the daemon, or end with it"),
    "adopt": ("adopting", "take in a Claude Code process that runs already"),
    "rm": ("records", "remove ended sessions and their output"),
    "prune": ("records", "remove all ended sessions, or all but the newest"),
    "config": ("settings", "every setting, its value and where it came from"),
    "doctor": ("doctor", "check this machine, and say what to mend"),
    "drain": ("drain", "end what is to end with the daemon; for ExecStop="),
}

HELP = """\
usage: artac [--socket PATH] COMMAND ...

Host Claude Code sessions.

start and talk
  run         {run}
  exec        {exec}
  start       {start}
  attach      {attach}
  resume      {resume}
  send        {send}
  messages    {messages}
  cancel      {cancel}
  interrupt   {interrupt}
answer
  permissions {permissions}
  allow       {allow}
  deny        {deny}
  answer      {answer}
look
  ls          {ls}
  declared    {declared}
  top         {top}
  status      {status}
  ps          {ps}
  why         {why}
  logs        {logs}
  screen      {screen}
  events      {events}
  wait        {wait}
bound and keep
  limit       {limit}
  restarts    {restarts}
  persist     {persist}
  adopt       {adopt}
end and tidy up
  stop        {stop}
  kill        {kill}
  reap        {reap}
  rm          {rm}
  prune       {prune}
the daemon
  config      {config}
  doctor      {doctor}

A session is meant by its id, its name, or the start of its id.

  artac run --name api --cwd ~/src/api "write the missing tests"
  artac send api "now run them" --wait
  artac logs -f api
  git diff | artac exec "review this" -
  artac stop api

options
  --socket PATH   the daemon's socket; otherwise $ARTAC_SOCKET, or the usual places
  --version       artac's version
  COMMAND --help  the options of a command

exit codes
  0 success       4 no such session   8 timeout               12 session ended too early
  1 failed        5 not allowed       9 limit reached         78 bad configuration
  2 usage         6 conflict         10 the turn failed      130 interrupted by Ctrl-C
  3 not running   7 no daemon        11 turn interrupted     141 nobody reads the output
                                     13 message cancelled
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code for the shell."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    return guarded(lambda: _run(list(sys.argv[1:] if argv is None else argv)))


def guarded(act: Callable[[], int]) -> int:
    """Do that; whatever happens becomes one line and an exit code."""
    try:
        code = act()
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except ArtacError as error:
        return _failed(error.message, error.kind.exit_code)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        _give_up_output()
        return _PIPE_CLOSED
    except OSError as error:
        _give_up_output()
        return _failed(str(error), ErrorKind.FAILED.exit_code)
    except ModuleNotFoundError as error:
        what = f"the Python module {error.name!r} is missing: install what artac depends on"
        return _failed(what, ErrorKind.FAILED.exit_code)
    except Exception as error:  # a person gets a line, never a traceback
        if os.environ.get("ARTAC_TRACEBACK"):
            raise
        what = f"{type(error).__name__}: {error}"
        return _failed(f"a mistake in artac itself: {what}", ErrorKind.FAILED.exit_code)


def _give_up_output() -> None:
    # The interpreter flushes standard output once more when it ends, and would complain.
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _failed(message: str, code: int) -> int:
    from .client import note

    try:
        sys.stdout.flush()
        note(message)
    except (OSError, ValueError):
        pass  # nobody is left to be told
    return code


def _run(words: list[str]) -> int:
    socket, words = _before_verb(words)
    if not words or words[0] in ("-h", "--help", "help"):
        if len(words) == 2 and words[0] == "help" and words[1] in VERBS:
            return _run([words[1], "--help"])
        if len(words) == 2 and words[0] == "help":
            raise ArtacError(ErrorKind.USAGE, _unknown(words[1]))
        print(HELP.format(**{verb: purpose for verb, (_, purpose) in VERBS.items()}), end="")
        return 0 if words else ErrorKind.USAGE.exit_code
    if words[0] in ("--version", "version"):
        from .. import __version__

        print(f"artac {__version__}")
        return 0
    verb, rest = words[0], words[1:]
    if verb == "__complete":
        from .completing import complete

        return complete(
            rest, {name: VERBS[name][1] for name in VERBS if name != "drain"}, parser_of
        )
    if verb not in VERBS:
        raise ArtacError(ErrorKind.USAGE, _unknown(verb))
    return _act(verb, rest, socket)


def _before_verb(words: list[str]) -> tuple[str | None, list[str]]:
    socket = None
    while words and words[0].partition("=")[0] == "--socket":
        option, equals, value = words[0].partition("=")
        if not equals and len(words) < 2:
            raise ArtacError(ErrorKind.USAGE, f"{option} needs a path")
        socket, words = (value, words[1:]) if equals else (words[1], words[2:])
    return socket, words


def parser_of(verb: str) -> Parser:
    """The options of a verb."""
    from .options import Parser

    purpose = VERBS[verb][1]
    parser = Parser(verb, purpose[0].upper() + purpose[1:] + ".")
    define: Callable[[Parser], None] = getattr(_module(verb), f"{verb}_options")
    define(parser)
    return parser


def _module(verb: str) -> ModuleType:
    from importlib import import_module

    return import_module(f".{VERBS[verb][0]}", __package__)


def _act(verb: str, words: list[str], socket: str | None) -> int:
    parser = parser_of(verb)
    act: Callable[[Namespace], int] = getattr(_module(verb), verb)
    try:
        options = parser.read(words)
    except SystemExit as leaving:  # after --help
        return int(leaving.code or 0)
    options.socket = options.socket or socket
    return act(options)


def _unknown(word: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(word, [verb for verb in VERBS if verb != "drain"], 1)
    hint = f"did you mean `artac {near[0]}`?" if near else "`artac --help` lists the commands"
    if word.startswith("-"):
        return f"unknown option {word}; `artac --help` lists what there is"
    return f"there is no command {word!r}; {hint}"


if __name__ == "__main__":
    sys.exit(main())
