#!/usr/bin/env -S python3 -I -S
"""A stand-in for the `claude` command: fast tests and fault injection, no model.

Not Claude Code. With -p it speaks stream-json with the event shapes and order
measured on the CLI 2.1.330 (STANDIN_VERSION=2.1.197 drops what that one lacks).
Unknown options are ignored. A message text that starts with `!` misbehaves:

    !exit N   !signal N   !hang   !ignore-term   !ignore-eof   !close-stdin
    !flood BYTES   !slow SECONDS [text]   !stderr TEXT   !env NAME
    !tool COMMAND   !nohup COMMAND   !doublefork [COMMAND]
    on a terminal: !permission [COMMAND], then 1 or 3; !slow SECONDS ends at Esc and queues lines
    !permission TOOL COMMAND   !retry SECONDS TEXT

SIGTERM and SIGHUP leave a running tool behind, as 2.1.197 does (2.1.330 kills it).
STANDIN_EXIT=N in the environment ends it at its start. An interrupted turn is run again after
--resume where CLAUDE_CODE_RESUME_INTERRUPTED_TURN=1 says so.
Anything else is answered `echo: <text>`; `recall` quotes the first prompt.
"""

from __future__ import annotations

import os
import sys

# Isolated mode (-I) leaves this file's own folder out of the path.
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

VALUED = (
    "--input-format --output-format --session-id --resume -r --model --permission-mode --settings"
    " --allowed-tools --allowedTools --disallowed-tools --disallowedTools --append-system-prompt"
    " --system-prompt --permission-prompt-tool --mcp-config --add-dir --max-turns -n --name"
).split()


def options(argv: list[str]) -> tuple[dict[str, str], list[str]]:
    found: dict[str, str] = {}
    plain = []
    rest = iter(argv)
    for word in rest:
        name, equals, value = word.partition("=")
        if not word.startswith("-"):
            plain.append(word)
        elif equals or name not in VALUED:
            found[name] = value
        else:
            found[name] = next(rest, "")
    return found, plain


def main() -> None:
    found, plain = options(sys.argv[1:])
    version = os.environ.get("STANDIN_VERSION", "2.1.330")
    if "--version" in found or "-v" in found:
        print(f"{version} (Claude Code stand-in)")
        return
    if plain[:2] == ["auth", "status"]:
        key = "ANTHROPIC_API_KEY" in os.environ
        method = "api_key" if key else "none"
        print(f'{{"loggedIn": {str(key).lower()}, "authMethod": "{method}"}}')
        sys.exit(0 if key else 1)
    # The imports come this late to keep --version at the price of a bare interpreter.
    from standin_transcript import Transcript, new_uuid

    resumed = found.get("--resume") or found.get("-r")
    session = resumed or found.get("--session-id") or new_uuid()
    transcript = Transcript(session)
    known = transcript.load()
    if resumed and not known:
        sys.exit(f"No conversation found with session ID: {session}")
    if not resumed and known:
        sys.exit(f"Error: Session ID {session} is already in use.")
    if code := os.environ.get("STANDIN_EXIT"):
        sys.exit(int(code))
    if "-p" not in found and "--print" not in found:
        import standin_terminal
        from standin_telling import Telling

        telling = Telling(session, found.get("--settings", ""))
        if os.environ.get("STANDIN_BOX") == "1":
            import standin_box

            sys.exit(standin_box.run(telling))
        sys.exit(standin_terminal.run(plain[-1] if plain else "", telling))
    if found.get("--input-format") != "stream-json":
        print(f"echo: {plain[-1] if plain else sys.stdin.read().strip()}")
        return
    from standin_session import Standin

    asks = found.get("--permission-prompt-tool") == "stdio"
    standin = Standin(session, transcript, "--replay-user-messages" in found, asks)
    if os.environ.get("CLAUDE_CODE_RESUME_INTERRUPTED_TURN") == "1" and transcript.unanswered:
        standin.message(new_uuid(), transcript.unanswered)
    while True:
        standin.step()


if __name__ == "__main__":
    main()
