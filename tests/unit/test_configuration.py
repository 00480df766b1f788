"""Configuration read from real files, an environment and a command line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from artac_daemon.host.config_text import LARGEST_FILE
from artac_daemon.host.configuration import Loaded, Override, load
from artac_daemon.model.errors import ArtacError, ErrorKind
from artac_daemon.model.setting_layers import Layer
from artac_daemon.model.settings import Settings


class Machine:
    """A configuration directory and a working directory of a test's own."""

    def __init__(self, root: Path) -> None:
        self.config = root / "config"
        self.cwd = root / "cwd"
        (self.config / "artac.yaml.d").mkdir(parents=True)
        self.cwd.mkdir()
        self.environ: dict[str, str] = {}
        self.overrides: dict[str, Override] = {}

    def write(self, name: str, content: str | bytes, mode: int = 0o600) -> Path:
        path = self.config / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(mode)
        return path

    def load(self) -> Loaded:
        return load(self.overrides, self.environ, self.cwd, self.config)

    def refusal(self) -> str:
        with pytest.raises(ArtacError) as caught:
            self.load()
        assert caught.value.kind is ErrorKind.CONFIG
        assert len(caught.value.message.splitlines()) == 1
        return caught.value.message


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_nothing_there_is_the_defaults(machine: Machine) -> None:
    loaded = machine.load()
    assert loaded.resolved.settings == Settings()
    assert (loaded.files, loaded.warnings, loaded.session_environment) == ((), (), {})


def test_every_layer_in_its_order(machine: Machine) -> None:
    layers = []

    def expect(count: int, origin: str) -> None:
        loaded = machine.load()
        assert loaded.resolved.settings.max_sessions == count
        assert str(loaded.resolved.origins["max_sessions"]) == origin
        layers.append(loaded.resolved.origins["max_sessions"].layer)

    main = machine.write("artac.yaml", "# hello\n\nmax_sessions: 1\n")
    expect(1, f"{main}:3")
    late = machine.write("artac.yaml.d/90-b.yaml", "max_sessions: 3\n")
    machine.write("artac.yaml.d/10-a.yaml", "max_sessions: 2\n")
    machine.write("artac.yaml.d/99-c.yml", "max_sessions: 99\n")
    machine.write("artac.yaml.d/.99-d.yaml", "max_sessions: 99\n")
    expect(3, f"{late}:1")
    beside = machine.write(".env", "\n\nexport ARTAC_MAX_SESSIONS=4\n")
    expect(4, f".env:3 ({beside})")
    working = machine.cwd / ".env"
    working.write_text("# one\nARTAC_MAX_SESSIONS='5'\n")
    working.chmod(0o600)
    expect(5, f".env:2 ({working})")
    machine.environ["ARTAC_MAX_SESSIONS"] = "6"
    expect(6, "environment ARTAC_MAX_SESSIONS")
    machine.overrides["max_sessions"] = Override("7", "--max-sessions")
    expect(7, "command line --max-sessions")
    assert layers == sorted(layers) and set(layers) == set(Layer) - {Layer.DEFAULT}
    names = [path.name for path in machine.load().files]
    assert names == ["artac.yaml", "10-a.yaml", "90-b.yaml", ".env", ".env"]


@pytest.mark.parametrize("text", ["true", "True", "yes", "'On'", "1", '"1"'])
def test_booleans_in_yaml(machine: Machine, text: str) -> None:
    machine.write("artac.yaml", f"persist_claude_sessions: {text}\n")
    assert machine.load().resolved.settings.persist_claude_sessions is True


def test_scalars_are_taken_as_written(machine: Machine) -> None:
    machine.write(
        "artac.yaml",
        "\ufeffsession_umask: 0027\nstop_grace: 2.5\nclaude_args: [--turns, 07, no]\n"
        "session_env:\n  DEBUG: 1\n  QUIET: no\n",
    )
    settings = machine.load().resolved.settings
    assert settings.session_umask == 0o27
    assert settings.stop_grace == 2.5
    assert settings.claude_args == ("--turns", "07", "no")
    assert settings.session_env == {"DEBUG": "1", "QUIET": "no"}


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "\n\n"])
def test_empty_file(machine: Machine, text: str) -> None:
    machine.write("artac.yaml", text)
    assert machine.load().resolved.settings == Settings()


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("a: 1\nmax_session: 2\n", 1, "unknown key 'a'; allowed: persist_claude_sessions"),
        ("\nmax_session: 2\n", 2, "unknown key 'max_session'; did you mean max_sessions?"),
        (
            "max_sessions: 1\n\nmax_sessions: 2\n",
            3,
            "duplicate key 'max_sessions'; first on line 1",
        ),
        ("session_env:\n  A: 1\n  A: 2\n", 3, "duplicate key 'A'; first on line 2"),
        ("\nmax_sessions: many\n", 2, "max_sessions: found 'many'; allowed: a whole number"),
        ("max_sessions:\n", 1, "max_sessions: found nothing; allowed: "),
        ("max_sessions: ~\n", 1, "max_sessions: found nothing; allowed: "),
        ("claude_args: --x\n", 1, "claude_args: found '--x'; allowed: a list"),
        ("- a\n", 1, "found a list; allowed: a mapping"),
        ("hello\n", 1, "found 'hello'; allowed: a mapping"),
        ("socket: [\n", 2, "bad YAML syntax: "),
        ("socket: 'a\n", 2, "bad YAML syntax: "),
        ("max_sessions: 1\n--- \nmax_sessions: 2\n", 2, "bad YAML syntax: "),
        ("\nsocket: \x01\n", 2, "bad YAML syntax: a control character"),
        ('socket: "\\UFFFFFFFF"\n', 1, "bad YAML syntax: "),
        ("a: &x [1]\nb: *x\n", 2, "bad YAML syntax: aliases are not allowed"),
        ("\na: " + "[" * 500_000, 2, "bad YAML syntax: nested too deeply"),
        ("max_sessions: !!python/object:os.system 1\n", 1, "the tag "),
        ("max_sessions: !secret 1\n", 1, "the tag '!secret'"),
        ("? [a]\n: 1\n", 1, "found a list or mapping as a key"),
        ("<<: {max_sessions: 1}\n", 1, "unknown key '<<'"),
    ],
)
def test_bad_yaml(machine: Machine, text: str, line: int, problem: str) -> None:
    path = machine.write("artac.yaml", text)
    assert machine.refusal().startswith(f"{path}:{line}: {problem}")


def test_not_utf8(machine: Machine) -> None:
    path = machine.write("artac.yaml", b"# fine\n# caf\xe9\n")
    assert machine.refusal() == f"{path}:2: is not UTF-8 text"


def test_too_large(machine: Machine) -> None:
    path = machine.write("artac.yaml", b"#" * (LARGEST_FILE + 1))
    assert machine.refusal() == f"{path}: is larger than {LARGEST_FILE} bytes"


def test_irregular_files(machine: Machine) -> None:
    path = machine.config / "artac.yaml"
    path.symlink_to(os.devnull)
    assert machine.load().resolved.settings == Settings()
    path.unlink()
    os.mkfifo(path)
    assert machine.refusal() == f"{path}: is not a regular file"
    path.unlink()
    path.mkdir()
    assert machine.refusal() == f"{path}: cannot be read: Is a directory"


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read every file")
def test_unreadable(machine: Machine) -> None:
    path = machine.write("artac.yaml", "", mode=0)
    assert machine.refusal() == f"{path}: cannot be read: Permission denied"


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("A=1\n\n\nARTAC_MAX_SESSION=2\n", 4, "unknown variable 'ARTAC_MAX_SESSION'; did you"),
        ("\nARTAC_CONFIG_DIRECTORY=/x\n", 2, "ARTAC_CONFIG_DIRECTORY counts in the environment"),
        ("A=1\n# x\nA=2\n", 3, "duplicate name A; first on line 1"),
        ("\n\nA='open\n", 3, "cannot be read; allowed: NAME=value"),
        ("A=1\nsk-ant-secret\n", 2, "cannot be read; allowed: NAME=value"),
        ("sk-ant-secret=1\n", 1, "cannot be read; allowed: NAME=value"),
        ("A=\0sk-ant-secret\n", 1, "A: found a NUL character"),
    ],
)
def test_bad_dotenv(machine: Machine, text: str, line: int, problem: str) -> None:
    path = machine.write(".env", text)
    message = machine.refusal()
    assert message.startswith(f"{path}:{line}: {problem}")
    assert "sk-ant" not in message


def test_bad_value_in_dotenv(machine: Machine) -> None:
    path = machine.write(".env", "PERSIST_CLAUDE_SESSIONS=perhaps\n")
    assert machine.refusal().startswith(
        f".env:1 ({path}): persist_claude_sessions: found 'perhaps'; allowed: true or false"
    )


def test_session_environment(machine: Machine) -> None:
    machine.write(".env", 'ANTHROPIC_API_KEY="sk-ant-1"\nA=1\nB=$A\n')
    machine.environ = {"A": "from the environment", "C": "not for sessions"}
    loaded = machine.load()
    assert loaded.session_environment == {
        "ANTHROPIC_API_KEY": "sk-ant-1",
        "A": "from the environment",
        "B": "$A",
    }
    assert "sk-ant" not in repr(loaded) + repr(loaded.session_environment)
    assert loaded.warnings == ()


def credential(machine: Machine, name: str, content: bytes) -> None:
    directory = machine.cwd / "credentials"
    directory.mkdir(exist_ok=True)
    (directory / name).write_bytes(content)
    machine.environ = {**machine.environ, "CREDENTIALS_DIRECTORY": str(directory)}


def test_systemd_credentials_go_to_sessions(machine: Machine) -> None:
    credential(machine, "anthropic-api-key", b"sk-ant-api-1\n")
    credential(machine, "something-else", b"not for sessions")
    loaded = machine.load()
    assert loaded.session_environment == {"ANTHROPIC_API_KEY": "sk-ant-api-1"}
    assert loaded.session_places == {"ANTHROPIC_API_KEY": "systemd credential anthropic-api-key"}
    machine.environ = {**machine.environ, "ANTHROPIC_API_KEY": "of the environment"}
    assert machine.load().session_environment == {}


@pytest.mark.parametrize("content", [b"", b" \n", b"two words", b"\xff\xfe", b"a\nb"])
def test_a_credential_that_is_no_key_is_refused(machine: Machine, content: bytes) -> None:
    credential(machine, "claude-code-oauth-token", content)
    message = machine.refusal()
    assert message.startswith("systemd credential claude-code-oauth-token: ")
    assert "two" not in message.split(": ", 1)[1].split("more")[0]


def test_exposed_secrets_are_warned_of(machine: Machine) -> None:
    path = machine.write(".env", "ANTHROPIC_API_KEY=sk-ant-1\n", mode=0o644)
    (warning,) = machine.load().warnings
    assert warning.startswith(f"{path}: mode 0644 lets other users read")
    assert "sk-ant" not in warning
    machine.write(".env", "ARTAC_MAX_SESSIONS=1\n", mode=0o644)
    assert machine.load().warnings == ()


def test_dotenv_that_others_can_write(machine: Machine) -> None:
    path = machine.cwd / ".env"
    path.write_text("CLAUDE_CODE_PATH=/tmp/evil\n")
    path.chmod(0o666)
    loaded = machine.load()
    assert loaded.resolved.settings == Settings()
    assert loaded.warnings == (f"{path}: not read, another user can write to it",)


def test_dotenv_directory(machine: Machine) -> None:
    (machine.cwd / ".env").mkdir()
    (warning,) = machine.load().warnings
    assert "is a directory, not read" in warning


def test_dotenv_is_read_once(machine: Machine) -> None:
    path = machine.write(".env", "A=1\n")
    machine.cwd = machine.config
    assert machine.load().files == (path,)


def test_environment(machine: Machine) -> None:
    machine.environ = {
        "PERSIST_CLAUDE_SESSIONS": "YES",
        "CLAUDE_CODE_PATH": "/opt/claude",
        "ARTAC_SOCKET": "/run/x.sock",
        "ARTAC_CLAUDE_ARGS": "--model 'a b'",
        "ARTAC_SESSION": "k3f9q2",
        "ARTAC_NAME": "api",
        "ARTAC_CACHE": "/var/cache/x",
        "ARTAC_TRACEBACK": "1",
        "ARTAC_STEAL": "1",
        "ARTAC_SESSION_NAME": "api",
        "PATH": "/bin",
    }
    settings = machine.load().resolved.settings
    assert settings.persist_claude_sessions
    assert settings.claude_code_path == "/opt/claude"
    assert settings.socket == "/run/x.sock"
    assert settings.claude_args == ("--model", "a b")
    machine.environ["ARTAC_SOKCET"] = "/x"
    assert machine.refusal() == (
        "environment: unknown variable 'ARTAC_SOKCET'; did you mean ARTAC_SOCKET?"
    )


def test_which_configuration(tmp_path: Path) -> None:
    path = tmp_path / "other.yaml"
    path.write_text("max_sessions: 5\n")
    (tmp_path / "other.yaml.d").mkdir()
    (tmp_path / "other.yaml.d/a.yaml").write_text("max_readers: 6\n")
    settings = load({}, {}, Path("/"), path).resolved.settings
    assert (settings.max_sessions, settings.max_readers) == (5, 6)
    assert load({}, {}, tmp_path, Path("other.yaml")).resolved.settings == settings
    named = {"ARTAC_CONFIG_DIRECTORY": str(path), "CONFIGURATION_DIRECTORY": "/nowhere"}
    assert load({}, named, Path("/")).resolved.settings == settings
    path.rename(tmp_path / "artac.yaml")
    implicit = {"CONFIGURATION_DIRECTORY": f"{tmp_path}:/nowhere"}
    assert load({}, implicit, Path("/")).resolved.settings.max_sessions == 5
    assert load({}, {}, tmp_path, Path(".")).resolved.settings.max_sessions == 5


def test_what_was_asked_for_must_exist(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    for environ, config in (({}, missing), ({"ARTAC_CONFIG_DIRECTORY": str(missing)}, None)):
        with pytest.raises(ArtacError) as caught:
            load({}, environ, tmp_path, config)
        assert caught.value.message == f"{missing}: cannot be read: No such file or directory"
    assert load({}, {"CONFIGURATION_DIRECTORY": str(missing)}, tmp_path).files == ()
