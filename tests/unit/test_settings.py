"""The table of settings, its layers, and how they are shown."""

from __future__ import annotations

import dataclasses
import json

import pytest

from artac_daemon.model.errors import ArtacError, ErrorKind
from artac_daemon.model.quantities import (
    format_duration,
    format_size,
    parse_duration,
    parse_size,
)
from artac_daemon.model.setting_kinds import HiddenValues, Raw
from artac_daemon.model.setting_layers import (
    BUILT_IN,
    Given,
    Layer,
    Origin,
    merge,
    setting_of_variable,
)
from artac_daemon.model.settings import ENV_NAMES, SETTINGS, Settings, changed
from artac_daemon.model.settings_view import rows, to_json

FILE = Origin(Layer.YAML, "/etc/artac/artac.yaml:12")
VARIABLE = Origin(Layer.ENVIRONMENT, "environment X")


def value(key: str, raw: Raw, origin: Origin = FILE) -> object:
    return getattr(merge([Given(key, raw, origin)]).settings, key)


def refusal(key: str, raw: Raw, origin: Origin = FILE) -> str:
    with pytest.raises(ArtacError) as caught:
        merge([Given(key, raw, origin)])
    assert caught.value.kind is ErrorKind.CONFIG
    assert len(caught.value.message.splitlines()) == 1
    return caught.value.message


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("4096", 4096),
        ("256M", 256 << 20),
        ("2G", 2 << 30),
        ("1.5K", 1536),
        ("1T", 1 << 40),
    ],
)
def test_size(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "M", "-1", "1.0001K", "16MB", "1 2", "1e3", "٣", "9" * 99])
def test_bad_size(text: str) -> None:
    with pytest.raises(ValueError):
        parse_size(text)


def test_size_is_written_exactly() -> None:
    assert [format_size(size) for size in (0, 1000, 1536 << 20, 1 << 40)] == [
        "0", "1000", "1536M", "1T",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10", 10.0), ("0.25", 0.25), ("10s", 10.0), ("2min", 120.0), ("2 min", 120.0),
        ("1h 30min", 5400.0), ("1h30m", 5400.0), ("500ms", 0.5), ("3 µs", 3e-06), ("1w", 604800.0),
    ],
)  # fmt: skip
def test_duration(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "-1s", "1x", "1h 30", "infinity", "1:30", "9" * 99])
def test_bad_duration(text: str) -> None:
    with pytest.raises(ValueError):
        parse_duration(text)


def test_duration_is_written_in_parts() -> None:
    written = [format_duration(seconds) for seconds in (0, 0.1, 10, 5400, 90061.5)]
    assert written == ["0s", "100ms", "10s", "1h 30min", "1d 1h 1min 1s 500ms"]


def test_table_and_dataclass_are_one() -> None:
    assert list(SETTINGS) == [row.name for row in dataclasses.fields(Settings)]
    assert len(set(ENV_NAMES)) == len(SETTINGS) - 2  # session_env, policies
    for key, setting in SETTINGS.items():
        assert setting.kind.parse(setting.default) == getattr(Settings(), key)
        assert setting.doc and setting.kind.allowed


def test_defaults() -> None:
    defaults = merge([])
    assert defaults.settings == Settings()
    assert set(defaults.origins.values()) == {BUILT_IN}
    assert defaults.settings.output_max == 256 << 20
    assert defaults.settings.stop_grace == 10.0
    assert defaults.settings.session_umask == 0o022
    assert defaults.settings.terminal_size == (80, 24)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("PERSIST_CLAUDE_SESSIONS", "persist_claude_sessions"),
        ("CLAUDE_CODE_PATH", "claude_code_path"),
        ("ARTAC_MAX_SESSIONS", "max_sessions"),
        ("ARTAC_SOCKET", "socket"),
        ("CLAUDE_CODE_USE_BEDROCK", None),
        ("HOME", None),
    ],
)
def test_variables(name: str, key: str | None) -> None:
    assert setting_of_variable(name, "environment") == key


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("ARTAC_MAX_SESSION", "did you mean ARTAC_MAX_SESSIONS?"),
        ("ARTAC_PERSIST_CLAUDE_SESSIONS", "use PERSIST_CLAUDE_SESSIONS"),
        ("ARTAC_SESSION_ENV", "only be set in a YAML file"),
        ("PERSIST_CLAUDE_SESSION", "did you mean PERSIST_CLAUDE_SESSIONS?"),
        ("ARTAC_", "unknown variable"),
    ],
)
def test_unknown_variable(name: str, hint: str) -> None:
    with pytest.raises(ArtacError, match="unknown variable") as caught:
        setting_of_variable(name, ".env:3")
    assert hint in caught.value.message


@pytest.mark.parametrize("word", ["true", "True", "YES", "on", "1"])
def test_true(word: str) -> None:
    assert value("persist_claude_sessions", word) is True


@pytest.mark.parametrize("word", ["false", "No", "OFF", "0"])
def test_false(word: str) -> None:
    assert value("persist_claude_sessions", word) is False


@pytest.mark.parametrize(
    ("key", "raw", "expected"),
    [
        ("session_umask", "077", 0o77),
        ("terminal_size", "132x43", (132, 43)),
        ("permission_mode", "acceptEdits", "acceptEdits"),
        ("claude_args", ["--model", "5"], ("--model", "5")),
        ("session_env", {"A": ""}, {"A": ""}),
        ("stop_grace", "0.1", 0.1),
    ],
)
def test_values(key: str, raw: Raw, expected: object) -> None:
    assert value(key, raw) == expected


def test_lists_outside_yaml() -> None:
    words = "--model opus --append 'two words'"
    assert value("claude_args", words, VARIABLE) == ("--model", "opus", "--append", "two words")
    assert value("allowed_roots", "/srv:/home", VARIABLE) == ("/srv", "/home")
    assert value("allowed_roots", "", VARIABLE) == ()
    assert "quote is not closed" in refusal("claude_args", "it's", VARIABLE)


@pytest.mark.parametrize(
    ("key", "raw", "found"),
    [
        ("persist_claude_sessions", "maybe", "'maybe'"),
        ("persist_claude_sessions", None, "nothing"),
        ("persist_claude_sessions", ["true"], "a list"),
        ("max_sessions", "0", "'0'"),
        ("max_sessions", "1_0", "'1_0'"),
        ("max_sessions", "010", "'010'"),
        ("max_request", "1K", "'1K'"),
        ("stop_grace", "2h", "'2h'"),
        ("session_umask", "1777", "'1777'"),
        ("session_umask", "8", "'8'"),
        ("terminal_size", "0x24", "'0x24'"),
        ("claude_code_path", "bin/claude", "'bin/claude'"),
        ("claude_code_path", "~/claude", "'~/claude'"),
        ("state_directory", "/a\nb", r"'/a\nb'"),
        ("api_group", "yes", "'yes'"),
        ("api_group", {"a": "b"}, "a mapping"),
        ("claude_args", "--model opus", "'--model opus'"),
        ("claude_args", ["a", ["b"]], "a list as item 2"),
        ("claude_args", ["a\0"], r"'a\x00' as item 1"),
        ("allowed_roots", ["/a", ""], "'' as item 2"),
        ("log_level", "INFO", "'INFO'"),
        ("session_env", {"1A": "b"}, "the name '1A'"),
        ("session_env", {"A": None}, "nothing as the value of A"),
    ],
)
def test_refused(key: str, raw: Raw, found: str) -> None:
    message = refusal(key, raw)
    start = f"/etc/artac/artac.yaml:12: {key}: found {found}; allowed: "
    assert message.startswith(start)
    assert len(message) > len(start)


def test_refusal_says_what_is_allowed() -> None:
    assert refusal("max_sessions", "many") == (
        "/etc/artac/artac.yaml:12: max_sessions: found 'many';"
        " allowed: a whole number from 1 to 10000"
    )


def test_refusal_is_bounded_and_one_line() -> None:
    assert len(refusal("max_sessions", "1\u2028" * 10_000)) < 300


def test_unknown_key() -> None:
    assert "did you mean max_sessions?" in refusal("max_session", "1")
    assert "allowed: persist_claude_sessions, " in refusal("qqq", "1")


def test_secrets_are_not_shown() -> None:
    secret = "sk-ant-1"
    for raw in (secret, {"A": f"{secret}\0"}, {"A": [secret]}):
        assert secret not in refusal("session_env", raw)
    resolved = merge([Given("session_env", {"KEY": secret}, FILE)])
    assert resolved.settings.session_env["KEY"] == secret
    assert secret not in repr(resolved)
    assert secret not in repr(Given("session_env", {"KEY": secret}, FILE))
    assert secret not in repr(rows(resolved))
    assert secret not in json.dumps(to_json(resolved))
    assert secret not in f"{HiddenValues(KEY=secret)}"
    assert to_json(resolved)["session_env"]["value"] == {"KEY": "(hidden)"}


def test_later_layer_counts_and_earlier_mistake_is_still_refused() -> None:
    given = [Given("max_sessions", "5", FILE), Given("max_sessions", "6", VARIABLE)]
    resolved = merge(given)
    assert resolved.settings.max_sessions == 6
    assert str(resolved.origins["max_sessions"]) == "environment X"
    with pytest.raises(ArtacError, match=r"artac\.yaml:12"):
        merge([Given("max_sessions", "many", FILE), given[1]])


def test_changed() -> None:
    new = dataclasses.replace(
        Settings(), max_sessions=5, socket="/run/a.sock", log_level=Settings().log_level
    )
    assert changed(Settings(), new) == (("max_sessions",), ("socket",))
    assert changed(new, new) == ((), ())


def test_rows() -> None:
    shown = {row.key: row for row in rows(merge([Given("claude_args", ["--a", "b"], FILE)]))}
    assert list(shown) == list(SETTINGS)
    assert shown["claude_args"].value == '["--a", b]'
    assert shown["claude_args"].origin == "/etc/artac/artac.yaml:12"
    assert shown["session_umask"].value == '"0022"'
    assert shown["socket"][1:] == ('""', "built-in default", "restart")
    assert shown["stop_grace"].value == "10s"


def test_json() -> None:
    view = to_json(merge([]))
    assert json.loads(json.dumps(view)) == view
    values = {key: entry["value"] for key, entry in view.items()}
    assert values["output_max"] == 256 << 20
    assert values["stop_grace"] == 10.0
    assert values["session_umask"] == "0022"
    assert values["terminal_size"] == "80x24"
    assert values["permission_mode"] == "default"
    assert values["enable_linger"] is True
    assert values["claude_args"] == []
