"""The real Claude Agent SDKs and the real Claude Code, with artac-claude between them."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.conftest import MakeBackend
from tests.support import cache, capability, claude_code, dropin, sdks
from tests.support.backend import Backend, until
from tests.support.dropin import LINES, Program, run
from tests.support.loopback_api import LoopbackApi

PROGRAMS = Path(sdks.__file__).parent


@pytest.fixture
def api() -> Iterator[LoopbackApi]:
    with LoopbackApi() as api:
        yield api


@pytest.fixture
def hosting(make_backend: MakeBackend, api: LoopbackApi) -> Backend:
    try:
        return make_backend(**dropin.real(api)).start()
    except claude_code.Unavailable as reason:
        capability.require(str(reason))
        raise


def _python(backend: Backend) -> list[str]:
    return [str(sdks.python()), str(PROGRAMS / "sdk_program.py")]


def _typescript(backend: Backend) -> list[str]:
    node, place = sdks.node()
    # Packages are looked for beside the program.
    program = backend.root / "program.mjs"
    shutil.copy(PROGRAMS / "sdk_program.mjs", program)
    (backend.root / "node_modules").symlink_to(place / "node_modules")
    return [node, str(program)]


@pytest.mark.parametrize("program", [_python, _typescript], ids=["python", "typescript"])
def test_a_program_of_the_sdk_works_as_with_claude_itself(hosting: Backend, program: Any) -> None:
    try:
        command = program(hosting)
    except sdks.Unavailable as reason:
        capability.require(str(reason))
        raise
    done = subprocess.run(
        [*command, str(dropin.launcher(hosting))],
        env={**hosting.environment(), "ARTAC_SESSION_NAME": "sdk"},
        cwd=hosting.work,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr + hosting.log()
    seen = json.loads(done.stdout)
    assert seen["first"]["text"] == "echo: one"
    assert seen["second"]["text"] == 'you said first: "one"'
    assert seen["first"]["session"] == seen["second"]["session"]
    assert seen["allowed"]["text"] == "tool said: done"
    assert (hosting.work / "allowed-by-program").exists()
    assert "the program says no" in seen["denied"]["text"]
    assert not (hosting.work / "forbidden-by-program").exists()
    assert [command for _, command in seen["asked"]][:2] == [
        "touch allowed-by-program && echo done",
        "touch forbidden-by-program",
    ]
    assert seen["hooked"][:2] == ["Bash", "Bash"]
    assert seen["added"] == [[19, 23]]
    assert seen["mcp"]["text"] == "tool said: the sum is 42"
    assert seen["interrupted"] == "error_during_execution"
    assert seen["after"]["text"] == "echo: still there"
    [session] = hosting.list()
    assert (session["name"], session["kind"]) == ("sdk", "piped")
    hosting.wait("sdk")


@pytest.mark.parametrize("language", ["python", "js"])
def test_the_examples_of_the_page_work(hosting: Backend, language: str) -> None:
    page = (cache.PROJECT / "docs/sdk.md").read_text()
    [text] = re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)
    path = hosting.root / ("example.py" if language == "python" else "example.mjs")
    path.write_text(text.replace("/usr/bin/artac-claude", str(dropin.launcher(hosting))))
    try:
        if language == "python":
            command = [str(sdks.python()), str(path)]
        else:
            command = [_typescript(hosting)[0], str(path)]
    except sdks.Unavailable as reason:
        capability.require(str(reason))
        raise
    env = hosting.environment()
    done = subprocess.run(
        command,
        env={**env, "PATH": f"{hosting.root}:{env['PATH']}"},
        cwd=hosting.work,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (0, "echo: say hello\n"), done.stderr


def _shape(output: bytes) -> list[str]:
    """What is said in which order, without ids, times and figures."""
    events = [json.loads(line) for line in output.splitlines()]
    return [
        " ".join(str(event.get(key)) for key in ("type", "subtype", "permissionMode", "result"))
        for event in events
    ]


@pytest.mark.parametrize(
    "words", [["-p", "hello"], ["-p"], [*LINES]], ids=["text", "piped", "lines"]
)
def test_what_claude_itself_writes_comes_out(hosting: Backend, words: list[str]) -> None:
    message = b'{"type":"user","message":{"role":"user","content":"hello"}}\n'
    given = message if words == [*LINES] else b"" if "hello" in words else b"hello"
    ours = run(hosting, *words, given=given)
    plain = subprocess.run(
        [hosting.settings["CLAUDE_CODE_PATH"], *words],
        env=hosting.environment(),
        cwd=hosting.work,
        input=given,
        capture_output=True,
        timeout=60,
    )
    assert (ours.returncode, ours.stderr) == (plain.returncode, plain.stderr) == (0, b"")
    if words == [*LINES]:
        assert _shape(ours.stdout) == _shape(plain.stdout)
    else:
        assert ours.stdout == plain.stdout == b"echo: hello\n"


def test_sigterm_and_a_stop_in_the_middle_of_a_tool_leave_nothing(hosting: Backend) -> None:
    words = [*LINES, "--allowed-tools", "Bash"]
    for number, how in enumerate(("signal", "stop")):
        program = Program(hosting, words, ARTAC_SESSION_NAME=how)
        program.ask(f"tool: sh -c 'touch begun{number}; exec sleep 300'")
        until(lambda n=number: (hosting.work / f"begun{n}").exists(), "the tool")
        if how == "signal":
            program.process.send_signal(signal.SIGTERM)
            assert program.process.wait(30) == 143
        else:
            hosting.artac("stop", how)
            program.process.wait(30)
            assert b'"type":"result"' in program.stdout.read()
        program.die()
        assert not [line for line in hosting.leftovers() if "sleep 300" in line]
    assert os.listdir(hosting.work)


def test_a_new_program_comes_back_and_speaks_the_control_protocol(
    make_backend: MakeBackend, api: LoopbackApi
) -> None:
    settings = {**dropin.real(api), "PERSIST_CLAUDE_SESSIONS": "true"}
    backend = make_backend(**settings).start()
    words = [*LINES, "--permission-prompt-tool", "stdio"]
    first = Program(backend, words, ARTAC_SESSION_NAME="prog")
    first.say(b'{"type":"control_request","request_id":"a","request":{"subtype":"initialize"}}')
    first.until(b'"request_id":"a"')
    first.ask("tool: touch made-later")
    backend_state = until(
        lambda: backend.show("prog")["state"] == "needs-permission", "its request"
    )
    assert backend_state
    first.die()
    second = Program(backend, words, ARTAC_SESSION="prog")
    asked = json.loads(second.until(b"can_use_tool")[-1])
    second.say(b'{"type":"control_request","request_id":"b","request":{"subtype":"initialize"}}')
    second.until(b'"request_id":"b"')
    answer = {"behavior": "allow", "updatedInput": asked["request"]["input"]}
    told = {"subtype": "success", "request_id": asked["request_id"], "response": answer}
    second.say(json.dumps({"type": "control_response", "response": told}).encode())
    second.until(b'"type":"result"')
    assert (backend.work / "made-later").exists()
    assert second.end()[0] == 0
