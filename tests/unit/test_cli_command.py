"""artac as a command: its options, its exit codes, its one line for whatever is wrong."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from artac_daemon.cli import main, turns
from artac_daemon.cli.options import Parser, count, duration
from artac_daemon.model.errors import ErrorKind, TurnExit

# What a command that only asks the daemon must not pay for.
HEAVY = (
    "aiohttp", "asyncio", "dataclasses", "email", "http", "psutil", "ssl", "subprocess", "uuid",
    "yaml", "shutil", "artac_daemon.model.session", "artac_daemon.model.settings",
)  # fmt: skip


def artac(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "artac_daemon.cli.main", *words],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "ARTAC_SOCKET": "/nonexistent/s", **environ},
    )


@pytest.mark.parametrize(
    "words",
    [
        ["frob"], ["--frob"], ["--socket"], ["ls", "--bogus"], ["ls", "extra"], ["send", "api"],
        ["run", "--wait"], ["run", "-t", "hi"], ["run", "--timeout", "1s", "hi"], ["run", "  "],
        ["send", "api", "hi", "--timeout", "1s"], ["send", "api", "hi", "--uuid", "x"], ["stop"],
        ["kill", "a", "--all"], ["wait", "api", "--timeout", "soon"], ["prune", "--keep", "-1"],
        ["run", "--env", "NOT_SET_ANYWHERE", "hi"], ["status", ""], ["reap"], ["reap", "--dry-run"],
        ["reap", "api", "--all"], ["reap", "--foreign"], ["reap", "--foreign", "-1"],
        ["reap", "--all", "--orphans", "--yes"], ["reap", "--all"], ["reap", "--all", "--json"],
        ["help", "frob"], ["run", "--queue", "10min", "hi"], ["run", "--queue", "10min"],
    ],
)  # fmt: skip
def test_a_mistake_is_told_in_one_line(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARTAC_SOCKET", "/nonexistent/s")
    assert main.main(words) == ErrorKind.USAGE.exit_code
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("artac: ") and told.err.count("\n") == 1


def test_no_daemon_is_told_with_what_to_do() -> None:
    for words in (
        ["ls"],
        ["status"],
        ["send", "api", "hi"],
        ["logs", "-f", "api"],
        ["wait", "a"],
        ["ps"],
        ["reap", "--all", "--yes"],
    ):
        done = artac(*words)
        assert done.returncode == ErrorKind.UNAVAILABLE.exit_code, done.stderr
        assert "/nonexistent/s" in done.stderr and "start" in done.stderr
        assert done.stderr.count("\n") == 1


def test_help_lists_every_verb_and_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["--help"]) == 0
    told = capsys.readouterr().out
    assert all(re.search(rf"^  {verb} ", told, re.M) for verb in main.VERBS if verb != "drain")
    assert "drain" not in told
    codes = [kind.exit_code for kind in ErrorKind]
    codes += [TurnExit.FAILED, TurnExit.INTERRUPTED, TurnExit.SESSION_ENDED, 130, 141]
    listed = told.partition("exit codes")[2]
    assert all(re.search(rf"\b{code}\b", listed) for code in codes)
    assert max(map(len, told.splitlines())) <= 90


@pytest.mark.parametrize("verb", main.VERBS)
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main([verb, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"usage: artac {verb}")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["--version"]) == 0
    assert re.fullmatch(r"artac \d+\.\d+\.\d+\S*\n", capsys.readouterr().out)


def test_a_mistake_of_ours_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(words: list[str]) -> int:
        raise ZeroDivisionError("x\x1b[2J")

    monkeypatch.setattr(main, "_run", fail)
    assert main.main(["ls"]) == 1
    assert capsys.readouterr().err == (
        "artac: a mistake in artac itself: ZeroDivisionError: x\\x1b[2J\n"
    )


def test_output_that_nobody_takes() -> None:
    read, write = os.pipe()
    os.close(read)
    environ = {**os.environ, "ARTAC_SOCKET": "/nonexistent/s"}
    command = [sys.executable, "-m", "artac_daemon.cli.main", "--help"]
    with open(write, "wb") as closed:
        done = subprocess.run(command, stdout=closed, stderr=subprocess.PIPE, env=environ)
    assert (done.returncode, done.stderr) == (141, b"")
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, env=environ)
    assert done.returncode == 1
    assert done.stderr.startswith(b"artac: ") and done.stderr.count(b"\n") == 1


def test_ls_imports_little() -> None:
    root = Path(main.__file__).parents[2]
    code = (
        f"import sys; sys.path.append({str(root)!r});"
        "from artac_daemon.cli import client, listing, main;"
        "main.main(['ls', '--help']); main.main(['ps', '--help']); print(*sys.modules)"
    )
    command = [sys.executable, "-I", "-S", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "artac_daemon.cli.options" in done.stdout, done.stderr
    assert not set(done.stdout.split()) & set(HEAVY)


def test_config_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "artac.yaml").write_text("max_sessions: 7\n")
    assert main.main(["config", "--check", str(tmp_path)]) == 0
    assert f"configuration is good; read {tmp_path / 'artac.yaml'}" in capsys.readouterr().err
    (tmp_path / "artac.yaml").write_text("max_session: 7\n")
    assert main.main(["config", "--check", str(tmp_path)]) == ErrorKind.CONFIG.exit_code
    assert "max_session" in capsys.readouterr().err


def test_option_values() -> None:
    assert duration("1min 500ms") == 60.5
    assert count("12") == 12
    for bad in ("-1", "1.5", "", "٣"):
        with pytest.raises(Exception, match="whole number"):
            count(bad)


def test_a_bare_option_leaves_the_prompt_alone() -> None:
    parser = Parser("run", "")
    parser.bare["--queue"] = "--queue=10min"
    parser.add_argument("--queue")
    parser.add_argument("prompt")
    read = parser.read(["--queue", "hello"])
    assert (read.queue, read.prompt) == ("10min", "hello")
    read = parser.read(["--queue=1h", "10min"])
    assert (read.queue, read.prompt) == ("1h", "10min")


def test_words_after_two_dashes_are_for_claude() -> None:
    parser = Parser("run", "")
    parser.takes_rest = True
    parser.add_argument("prompt", nargs="?")
    parser.add_argument("--name")
    options = parser.read(["hello", "--name", "x", "--", "--add-dir", "/tmp", "--"])
    assert (options.prompt, options.name, options.rest) == (
        "hello",
        "x",
        ["--add-dir", "/tmp", "--"],
    )


def test_uuids_are_of_version_4() -> None:
    import uuid

    made = uuid.UUID(turns.new_uuid())
    assert (made.version, made.variant) == (4, uuid.RFC_4122)
