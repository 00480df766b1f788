"""What a session may need runs in the sandbox that it inherits; the hardened one says what not."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import capability
from tests.support.machine import Machine
from tests.support.way import Way

_EXAMPLE = "/usr/share/doc/artac/examples/hardened.conf"
_NODE = "/usr/local/lib/node-of-the-host"

# Each prints the last word only when all before it has worked.
TOOLS = {
    "shell": "cat /etc/passwd | grep -c root && echo $((6*7)) >n && diff n n && echo worked",
    "git": "git init -q g && cd g && git -c user.name=a -c user.email=a@b commit -q"
    " --allow-empty -m one && git log --oneline | grep -q one && echo worked",
    "node": f"{_NODE} -e 'const os=require(`os`); let n=0; for(let i=0;i<1e7;i++) n+=i%7;"
    " if(os.cpus().length && os.networkInterfaces() && new Worker) 1' 2>/dev/null; "
    f"{_NODE} -e 'new (require(`worker_threads`).Worker)(`1`,{{eval:true}})"
    ".on(`exit`,()=>console.log(`worked`,require(`os`).cpus().length>0,"
    "!!require(`os`).networkInterfaces()))' | grep 'worked true true' | cut -c1-6",
    "build": "printf 'int puts(const char*);int main(){puts(\"worked\");}' >a.c && "
    r"printf 'a: a.c\n\ttcc -o a a.c\n' >Makefile && make -s && ./a",
    "bwrap": "bwrap --ro-bind / / --dev /dev --proc /proc --unshare-all sh -c"
    " 'ls /proc/self/status >/dev/null && echo worked'",
    "namespace": "unshare --user --map-root-user id -u | grep -qx 0 && echo worked",
    "signal": "sleep 100 & kill $! && wait $!; echo worked",
    "ps": "ps -o comm= -p 1 | grep -q . && echo worked",
}  # fmt: skip
NOT_HARDENED = {"bwrap", "namespace", "ps"}


@pytest.fixture
def node(machine: Machine) -> Iterator[None]:
    program = shutil.which("node")
    capability.require(None if program else "node is not installed")
    assert program is not None
    inside = machine.path(_NODE)
    inside.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(Path(program).resolve(), inside)
    yield
    inside.unlink()


def save(way: Way, name: str) -> None:
    script = f"mkdir -p {name} && cd {name} && {TOOLS[name]}\n"
    command = ["sh", "-c", 'cat >"$0"', f"{way.work}/{name}.sh"]
    way.machine.run(command, user=way.account, input=script)


def tidy(way: Way) -> None:
    way.machine.run(["sh", "-c", 'rm -rf "$0"/*', str(way.work)], user=way.account)


def run_all(way: Way) -> set[str]:
    """Those that Claude's own Bash tool has run to the end."""
    session = way.run("--permission-mode", "acceptEdits", "--allowed-tools", "Bash")["id"]
    way.wait(session, "idle")
    done = set()
    for name in TOOLS:
        save(way, name)
        said = way.ask(session, f"tool: sh {name}.sh 2>&1 | tail -n 3")
        print(name, said)  # shown with a failure
        if said.split()[-1] == "worked":
            done.add(name)
    way.artac("stop", session)
    tidy(way)
    return done


def runnable(way: Way) -> set[str]:
    """Those that the account can run in this machine without artac.

    The container itself may refuse a call: bubblewrap 0.11 wants one that nspawn's filter lacks.
    """
    done = set()
    for name in TOOLS:
        save(way, name)
        command = ["sh", f"{name}.sh"]
        said = way.machine.run(command, user=way.account, cwd=str(way.work), check=False).stdout
        if said.split()[-1:] == ["worked"]:
            done.add(name)
    tidy(way)
    assert done >= TOOLS.keys() - {"bwrap"}
    return done


@pytest.mark.parametrize("persist", ["false", "true"])
def test_sessions_run_what_they_need_in_the_sandbox(system: Way, node: None, persist: str) -> None:
    system.machine.linger("artac")
    system.configure(PERSIST_CLAUDE_SESSIONS=persist)
    system.start()
    assert run_all(system) == runnable(system)


@pytest.mark.parametrize("persist", ["false", "true"])
def test_the_hardened_sandbox_is_tighter_and_work_goes_on(
    system: Way, node: None, persist: str
) -> None:
    machine = system.machine
    machine.linger("artac")
    system.drop_in("hardened", machine.path(_EXAMPLE).read_text())
    try:
        system.configure(PERSIST_CLAUDE_SESSIONS=persist)
        machine.ns("systemd-analyze", "verify", "--recursive-errors=no", "artac.service")
        machine.ns("systemd-analyze", "security", "--threshold=25", "artac.service")
        system.start()
        assert run_all(system) == runnable(system) - NOT_HARDENED
    finally:
        system.drop_in("hardened", "")
