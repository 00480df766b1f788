"""Two users of one machine: neither sees, reads, signals or attaches to what is the other's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.machine import Machine
from tests.support.machine_command import Completed
from tests.support.way import Way

SECRET = "a prompt that is nobody else's business"

# Every verb that names a session; what it needs beside the name.
VERBS = {
    "status": (), "send": ("hello",), "logs": (), "events": (), "interrupt": (), "stop": (),
    "kill": (), "wait": (), "rm": ("--force",), "limit": ("idle=1s",), "why": (), "ps": (),
    "persist": ("off",), "reap": ("--yes",), "messages": (), "cancel": ("--all",), "resume": (),
    "restarts": ("no",), "screen": (),
}  # fmt: skip


@pytest.fixture
def alice(users: Machine) -> Iterator[Way]:
    """Her own artac with a persistent session in it, named hers."""
    way = Way(users, "alice", "artac@alice.service", user_unit=False)
    way.configure(PERSIST_CLAUDE_SESSIONS="true")
    way.start()
    way.run("--name", "hers", SECRET)
    way.wait("hers", "idle")
    yield way
    way.clean_up()


@pytest.fixture
def bob(users: Machine) -> Iterator[Way]:
    way = Way(users, "bob", "artac@bob.service", user_unit=False)
    way.configure(PERSIST_CLAUDE_SESSIONS="true")
    way.start()
    yield way
    way.clean_up()


def as_bob(machine: Machine, *argv: str) -> Completed:
    done = machine.run([*argv], user="bob", check=False)
    assert SECRET not in done.stdout + done.stderr, argv
    return done


def test_no_verb_reaches_another_users_session(alice: Way, bob: Way) -> None:
    session = alice.status("hers")
    for verb, more in VERBS.items():
        words = (verb, "hers", *more)
        # By her socket the kernel lets nobody in; by his own daemon there is no such session.
        hers = as_bob(alice.machine, "artac", "--socket", "/run/artac@alice/artac.sock", *words)
        assert hers.returncode == 5, (verb, hers.stderr)
        assert "/run/artac@alice/artac.sock" in hers.stderr
        his = as_bob(alice.machine, "artac", "--socket", "/run/artac@bob/artac.sock", *words)
        assert his.returncode == 4, (verb, his.stderr)
    for verb in ("ls", "ps", "top", "events", "prune"):
        more = ("-n", "1") if verb == "top" else ()
        by = ("artac", "--socket", "/run/artac@alice/artac.sock", verb, *more)
        assert as_bob(alice.machine, *by).returncode == 5, verb
    drain = ("artac", "--socket", "/run/artac@alice/artac.sock", "drain")
    as_bob(alice.machine, *drain)  # for ExecStop=, which asks nobody twice
    assert alice.status("hers")["claude"] == session["claude"]
    assert alice.run()["state"], "nothing was drained"


def test_processes_of_another_user_are_shown_as_such_and_left_alone(alice: Way, bob: Way) -> None:
    session = alice.status("hers")
    pid = str(session["claude"]["pid"])
    assert "hers" not in as_bob(alice.machine, "artac", "ls", "--all").stdout
    listed = as_bob(alice.machine, "artac", "ps").stdout
    assert "alice" in listed and "session hers" not in listed
    for words in (("reap", "--foreign", pid, "--yes"), ("adopt", pid)):
        refused = as_bob(alice.machine, "artac", *words)
        assert refused.returncode == 5, refused.stderr
    assert as_bob(alice.machine, "artac", "reap", "--all", "--yes").returncode == 0
    assert as_bob(alice.machine, "kill", "-TERM", pid).returncode != 0
    assert alice.is_alive(session["claude"]["pid"])


def test_files_proc_units_and_journal_are_closed(alice: Way, bob: Way) -> None:
    session = alice.status("hers")
    machine, id_ = alice.machine, session["id"]
    state = f"{alice.state}/sessions/{id_}"
    for path in (f"{state}/output", f"{state}/spec", f"{state}/keeper.sock", str(alice.env_file)):
        assert as_bob(machine, "cat", path).returncode != 0, path
    assert as_bob(machine, "ls", state).returncode != 0
    for who in (session["claude"]["pid"], session["keeper"]["pid"], alice.main_pid()):
        assert as_bob(machine, "cat", f"/proc/{who}/environ").returncode != 0
        assert as_bob(machine, "ls", "-l", f"/proc/{who}/fd/").returncode != 0
        line = as_bob(machine, "cat", f"/proc/{who}/cmdline").stdout
        assert "ANTHROPIC" not in line
    unit = f"artac-session-{id_}.scope"
    assert unit in alice.scopes()
    for command in (
        ("systemctl", "stop", "artac@alice.service"),
        ("systemctl", "kill", "artac@alice.service"),
        ("systemctl", "--user", "-M", "alice@", "stop", unit),
        ("sh", "-c", f"echo 1 >{session['cgroup']}/cgroup.kill"),
        ("sh", "-c", f"echo 1 >{session['cgroup']}/claude/cgroup.freeze"),
        ("sh", "-c", f"echo $$ >{session['cgroup']}/claude/cgroup.procs"),
    ):
        assert as_bob(machine, *command).returncode != 0, command
    assert as_bob(machine, "systemctl", "--user", "stop", unit).returncode != 0, "his has no such"
    journal = as_bob(machine, "journalctl", "--no-pager", f"ARTAC_SESSION={id_}").stdout
    assert "session started" not in journal
    assert alice.ask("hers", "all well?")


def test_both_may_have_sessions_of_one_name(alice: Way, bob: Way) -> None:
    his = bob.run("--name", "hers")
    bob.artac("stop", "hers")
    assert bob.status(his["id"])["end"]["reason"] == "stopped"
    assert alice.status("hers")["state"] == "idle"


@pytest.fixture
def sharing(users: Machine) -> Iterator[tuple[Way, Way]]:
    """Alice and Bob with one directory for Claude and one to work in."""
    users.ns("groupadd", "--force", "shared")
    for directory in ("/srv/claude", "/srv/work"):
        users.ns("install", "-d", "-m", "2770", "-g", "shared", directory)
    ways = []
    for name in ("alice", "bob"):
        users.ns("gpasswd", "--add", name, "shared")
        way = Way(users, name, f"artac@{name}.service", user_unit=False)
        way.configure(CLAUDE_CONFIG_DIR="/srv/claude")
        way.start()
        ways.append(way)
    yield ways[0], ways[1]
    for way in ways:
        way.clean_up()
        users.ns("gpasswd", "--delete", way.account, "shared")
    users.ns("rm", "-rf", "/srv/claude", "/srv/work")


def test_two_accounts_that_share_claudes_directory_cannot_have_one_conversation_at_once(
    sharing: tuple[Way, Way],
) -> None:
    alice, bob = sharing
    hers = alice.run("--name", "hers", "--cwd", "/srv/work", "remember the blue door")
    alice.wait("hers", "idle")
    conversation = alice.status("hers")["claude_session_id"]
    # Claude keeps what was said from the group; here they mean to share it.
    share = ("chmod", "-R", "g+rwX", "/srv/claude")
    alice.machine.ns(*share)
    command = ["artac-claude", "-p", "--resume", conversation, "and mine"]

    def resumed_by_bob() -> Completed:
        return bob.machine.run(command, user="bob", cwd="/srv/work", check=False)

    refused = resumed_by_bob()
    assert refused.returncode == 6, refused
    assert f"by session {hers['id']} of the artac in" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1 and refused.stdout == ""
    assert alice.ask("hers", "still there?")
    alice.artac("stop", "hers")
    alice.machine.ns(*share)
    done = resumed_by_bob()
    assert done.returncode == 0 and "and mine" in done.stdout, done
