"""The files of sessions.d: what each key may be, whose a file may be, and one that is written."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from artac_daemon.daemon import declaration
from artac_daemon.host import declared_files
from artac_daemon.model.declaration import KEYS, Declaration, Start
from artac_daemon.model.errors import ArtacError, ErrorKind
from artac_daemon.model.session import Kind, Restart

PATH = "/etc/artac/sessions.d/api.yaml"


def parse(text: str) -> Declaration:
    return declaration.parse("api", PATH, text)


def refusal(act: Any, *given: Any) -> str:
    with pytest.raises(ArtacError) as refused:
        act(*given)
    assert refused.value.kind is ErrorKind.CONFIG
    return refused.value.message


def test_every_key_at_once() -> None:
    found = parse(
        """
prompt: |
  write the tests
  and run them
kind: headless
cwd: /srv/api
model: opus
permission_mode: plan
allowed_tools: [Read, "Bash(git *)"]
claude_args: [--add-dir, /srv/lib]
limits: {memory: 3G, runtime: 2h}
env: {LANG: no, N: 1}
persist: yes
restart: [on-failure, on-boot]
start: with-backend
"""
    )
    request = found.request
    assert (found.name, found.path, found.start) == ("api", PATH, Start.WITH_BACKEND)
    assert request.prompt == "write the tests\nand run them\n" and request.prompt_uuid
    assert (request.kind, request.cwd, request.model) == (Kind.HEADLESS, "/srv/api", "opus")
    assert request.permission_mode == "plan"
    assert request.allowed_tools == ("Read", "Bash(git *)")
    assert request.claude_args == ("--add-dir", "/srv/lib")
    assert request.limits == {"memory_max": 3 << 30, "runtime_max": 7200.0}
    # As they are written, not what YAML would make of them.
    assert request.env == {"LANG": "no", "N": "1"}
    assert request.persist is True and request.restart == (Restart.ON_FAILURE, Restart.ON_BOOT)
    assert (request.name, request.declared) == ("api", "api")


def test_a_directory_is_enough() -> None:
    found = parse("cwd: ~/src")
    assert found.request.cwd == os.path.expanduser("~/src")
    assert found.start is Start.MANUAL and found.request.persist is None
    assert found.request.prompt is found.request.prompt_uuid is None


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("no", ()),
        ("on-failure", (Restart.ON_FAILURE,)),
        ("[on-boot, on-boot]", (Restart.ON_BOOT,)),
        ("[]", ()),
    ],
)
def test_restart_is_a_word_or_a_list(written: str, meant: tuple[Restart, ...]) -> None:
    assert parse(f"cwd: /\nrestart: {written}").request.restart == meant


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("prompt: ' '", "prompt is empty"),
        ("prompt: [a]", "prompt must be a text"),
        ("kind: adopted", "kind must be headless or terminal, found 'adopted'"),
        ("model: -p", "model must not start with '-'"),
        ("permission_mode: all", "permission_mode must be one of default"),
        ("allowed_tools: Bash", "allowed_tools must be a list of texts, found 'Bash'"),
        ("claude_args: [--resume]", "--resume cannot be given to a hosted session"),
        ("limits: 3G", "limits must be an object of names and texts"),
        ("limits: {mem: 3G}", "there is no limit 'mem'; there are: "),
        ("limits: {memory: much}", "limit memory: found 'much'; allowed: "),
        ("env: [A]", "env: found a list; allowed: a mapping of environment variable names"),
        ("env: {ARTAC_SOCKET: /x}", "env: 'ARTAC_SOCKET' is not a variable"),
        ("persist: maybe", "persist: found 'maybe'; allowed: true or false"),
        ("restart: always", "restart: found 'always'; allowed: no, on-failure, on-boot"),
        ("restart: [no]", "restart: found 'no'; allowed: "),
        ("start: yes", "start: found 'yes'; allowed: one of manual, with-backend"),
        ("promt: hello", "unknown key 'promt'; did you mean prompt?"),
        ("name: other", "unknown key 'name'; allowed: prompt, kind, cwd, "),
        ("prompt:", "prompt: found nothing; leave the key out"),
        ("kind: terminal\nprompt: hello", "prompt: a terminal session has none"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(line: str, told: str) -> None:
    message = refusal(parse, f"# a comment\ncwd: /\n{line}\n")
    last = 2 + len(line.splitlines())
    assert message.startswith(f"{PATH}:{last}: {told}"), message
    assert "\n" not in message


@pytest.mark.parametrize("cwd", ["src", "./src", "[/]", "~other/src"])
def test_a_directory_that_depends_on_who_reads_it(cwd: str) -> None:
    assert "allowed: an absolute path, or ~/" in refusal(parse, f"cwd: {cwd}")


def test_each_key_has_its_wrong_values() -> None:
    """A new key without a refusal of a mapping in a list would not be checked at all."""
    for key in KEYS:
        text = f"{key}: [{{a: {{b: c}}}}]\n" + ("" if key == "cwd" else "cwd: /\n")
        assert refusal(parse, text).startswith(f"{PATH}:1: ")


def test_no_value_of_a_variable_is_ever_shown() -> None:
    for text in (
        "env: {A: [hunter2]}",
        "env: hunter2",
        "env: {1A: hunter2}",
        'env: {A: "hunter2\\0"}',
    ):
        assert "hunter2" not in refusal(parse, f"cwd: /\n{text}")


@pytest.mark.parametrize("text", ["", "# nothing", "{}"])
def test_an_empty_file_says_what_is_missing(text: str) -> None:
    assert "cwd is missing; allowed: an absolute path" in refusal(parse, text)


# Whom it belongs to


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    found = tmp_path / "sessions.d"
    found.mkdir(mode=0o755)
    return found


def put(directory: Path, name: str, text: str = "cwd: /\n", mode: int = 0o644) -> Path:
    path = directory / f"{name}.yaml"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_what_others_can_write_is_not_used(directory: Path) -> None:
    path = put(directory, "api", mode=0o664)
    told = refusal(declaration.read, directory, "api")
    assert told == f"{path}: mode 0664 lets others write; run: chmod go-w {path}"
    path.chmod(0o644)
    assert declaration.read(directory, "api") is not None
    directory.chmod(0o777)
    assert "mode 0777 lets others write" in refusal(declaration.read, directory, "api")
    assert "mode 0777 lets others write" in refusal(declared_files.stems, directory)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_not_used(directory: Path) -> None:
    path = put(directory, "api")
    os.chown(path, 12345, 12345)
    assert refusal(declaration.read, directory, "api").startswith(f"{path}: belongs to uid 12345")


def test_variables_are_for_nobody_else_to_read(directory: Path) -> None:
    path = put(directory, "api", "cwd: /\nenv: {KEY: hunter2}\n")
    told = refusal(declaration.read, directory, "api")
    assert told.startswith(f"{path}: mode 0644 lets other users read env; run: ch")
    assert "hunter2" not in told
    path.chmod(0o600)
    found = declaration.read(directory, "api")
    assert found is not None and found.request.env == {"KEY": "hunter2"}


def test_a_link_is_followed_and_its_end_is_judged(directory: Path, tmp_path: Path) -> None:
    kept = put(tmp_path, "kept")
    (directory / "api.yaml").symlink_to(kept)
    assert declaration.read(directory, "api") is not None
    kept.chmod(0o666)
    assert "lets others write" in refusal(declaration.read, directory, "api")
    (directory / "null.yaml").symlink_to(os.devnull)
    assert refusal(declaration.read, directory, "null")
    (directory / "loop.yaml").symlink_to(directory / "loop.yaml")
    assert "cannot be read" in refusal(declaration.read, directory, "loop")


def test_only_regular_files_and_none_is_waited_for(directory: Path) -> None:
    os.mkfifo(directory / "pipe.yaml")
    (directory / "folder.yaml").mkdir()
    for name in ("pipe", "folder"):
        assert (directory / f"{name}.yaml").name in refusal(declaration.read, directory, name)


def test_a_name_that_no_session_may_have(directory: Path) -> None:
    put(directory, "my job")
    assert declared_files.stems(directory) == ["my job"]
    assert "session name 'my job' is not allowed" in refusal(declaration.read, directory, "my job")


def test_what_is_listed(directory: Path, tmp_path: Path) -> None:
    for name in ("b", "a", ".hidden"):
        put(directory, name)
    (directory / "notes.txt").touch()
    assert declared_files.stems(directory) == ["a", "b"]
    assert declared_files.stems(tmp_path / "none") == []
    assert declaration.read(tmp_path / "none", "a") is None


def test_too_many_files(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(declared_files, "MOST_FILES", 2)
    for name in "abc":
        put(directory, name)
    assert "holds 3 files; allowed: 2 at most" in refusal(declared_files.stems, directory)


# Writing one


CONTENT = {
    "cwd": "/srv/api",
    "prompt": "first line\n  second: line\n\n# no comment",
    "kind": "headless",
    "allowed_tools": ["Bash(git *)", "yes"],
    "claude_args": [],
    "limits": {"memory": "3G"},
    "env": {"A": "true", "B": " x "},
    "persist": False,
    "permission_mode": None,
}


def test_what_is_written_is_what_is_read(directory: Path) -> None:
    path = declared_files.write(directory, "api", declaration.render("api", CONTENT), False)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in directory.iterdir()] == ["api.yaml"]
    found = declaration.read(directory, "api")
    assert found is not None
    request = found.request
    assert (request.prompt, request.cwd) == (CONTENT["prompt"], "/srv/api")
    assert request.allowed_tools == ("Bash(git *)", "yes")
    assert request.env == CONTENT["env"] and request.persist is False
    assert "claude_args" not in path.read_text()


def test_a_file_that_is_there_is_replaced_only_when_asked_to(directory: Path) -> None:
    path = put(directory, "api", "cwd: /old\n")
    with pytest.raises(ArtacError) as refused:
        declared_files.write(directory, "api", "cwd: /new\n", False)
    assert refused.value.kind is ErrorKind.CONFLICT and "--force" in refused.value.message
    assert path.read_text() == "cwd: /old\n"
    (directory / ".api.yaml.new").write_text("left by a writer that was killed")
    declared_files.write(directory, "api", "cwd: /new\n", True)
    assert path.read_text() == "cwd: /new\n"
    assert [entry.name for entry in directory.iterdir()] == ["api.yaml"]


@pytest.mark.parametrize(
    "content",
    [
        {"cwd": "/", "name": "x"},
        {"cwd": "/", "model": {"a": [1]}},
        {"cwd": "relative"},
        {"cwd": "/", "kind": "terminal", "prompt": "x"},
        {"cwd": "/", "prompt": "half \ud800 of a pair"},
        {},
    ],
)
def test_what_a_file_cannot_say_is_the_askers_mistake(content: dict[str, Any]) -> None:
    with pytest.raises(ArtacError) as refused:
        declaration.render("api", content)
    assert refused.value.kind is ErrorKind.USAGE and refused.value.message.isprintable()
