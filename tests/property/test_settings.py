"""What holds for any setting, any text and any layer."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from artac_daemon.host.configuration import load
from artac_daemon.host.dotenv_file import parse_dotenv
from artac_daemon.host.yaml_file import parse_yaml
from artac_daemon.model.errors import ArtacError, ErrorKind
from artac_daemon.model.quantities import (
    format_duration,
    format_size,
    parse_duration,
    parse_size,
)
from artac_daemon.model.setting_layers import Given, Layer, Origin, merge
from artac_daemon.model.settings import SETTINGS
from artac_daemon.model.settings_view import rows, to_json

keys = st.sampled_from(sorted(SETTINGS))
layers = st.sampled_from(list(Layer))
near_misses = st.from_regex(r"[-+]?[0-9_.]{0,5} ?[a-zA-Zµ]{0,4}", fullmatch=True)
junk_text = st.one_of(st.text(), st.characters(codec=None).map(str), near_misses)
junk = st.recursive(
    st.none() | junk_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(junk_text, inner, max_size=3),
    max_leaves=6,
)

words = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
tools = st.lists(st.sampled_from(["Bash", "Bash(git *)", "Edit", "mcp__a__b", 'Read("x")', "ß:y"]))
paths = st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S"])).map("/".__add__)
percentages = st.integers(0, 100_000).map(lambda part: f"{part / 1000:g}%")
milliseconds = st.integers(1000, 600_000).map(lambda count: f"{count}ms")
infinity = st.just("infinity")


def percents(lowest: int, highest: int) -> st.SearchStrategy[str]:
    return st.integers(lowest * 100, highest * 100).map(lambda value: f"{value / 100:g}%")


VALID: dict[str, st.SearchStrategy[Any]] = {
    "persist_claude_sessions": st.sampled_from(["true", "No", "1", "OFF"]),
    "claude_code_path": paths,
    "claude_args": st.lists(words),
    "permission_mode": st.sampled_from(["default", "acceptEdits", "plan", "dontAsk"]),
    "policies": st.lists(
        st.fixed_dictionaries(
            {"root": paths},
            optional={
                "permission_mode": st.sampled_from(["default", "plan", "bypassPermissions"]),
                "allowed_tools": tools,
                "denied_tools": tools,
            },
        ),
        max_size=3,
        unique_by=lambda policy: policy["root"].rstrip("/"),
    ),
    "placement": st.sampled_from(["auto", "detached"]),
    "state_directory": paths,
    "socket": paths,
    "api_group": st.from_regex(r"[a-z]{4,9}[0-9]?", fullmatch=True).filter(lambda g: g != "false"),
    "metrics_listen": st.sampled_from(["", "127.0.0.1:9464", "127.8.0.255:1", "[::1]:65535"]),
    "allowed_roots": st.lists(paths),
    "trusted_directories": st.lists(paths),
    "max_sessions": st.integers(1, 10_000).map(str),
    "min_memory_available": st.integers(0, 1 << 46).map(str) | percentages,
    "max_memory_pressure": percentages,
    "max_queue": st.integers(0, 10_000).map(str),
    "max_readers": st.integers(1, 100_000).map(str),
    "max_request": st.integers(4096, 1 << 30).map(str),
    "restart_attempts": st.integers(0, 1000).map(str),
    "restart_window": st.integers(1000, 86400000).map(lambda ms: f"{ms}ms"),
    "restart_backoff": st.integers(100, 300000).map(lambda ms: f"{ms}ms"),
    "restart_stagger": st.integers(0, 600000).map(lambda ms: f"{ms}ms"),
    "output_max": st.integers(1 << 20, 1 << 40).map(str),
    "keep_ended": st.integers(0, 100_000).map(str),
    "stop_grace": milliseconds,
    "start_timeout": milliseconds,
    "session_umask": st.integers(0, 0o777).map("{:04o}".format),
    "session_env": st.dictionaries(st.from_regex(r"[A-Z_]{1,5}", fullmatch=True), words),
    "terminal_size": st.tuples(st.integers(1, 9999), st.integers(1, 9999)).map(
        "{0[0]}x{0[1]}".format
    ),
    **dict.fromkeys(
        [
            f"{whose}memory_{what}"
            for whose in ("", "total_")
            for what in ("high", "max", "swap_max")
        ],
        st.one_of(st.integers(1 << 24, 1 << 50).map(str), percents(1, 100), infinity),
    ),
    **dict.fromkeys(
        ["tasks_max", "total_tasks_max"],
        st.one_of(st.integers(16, 4_194_304).map(str), percents(1, 100), infinity),
    ),
    **dict.fromkeys(
        ["cpu_weight", "total_cpu_weight"],
        st.integers(1, 10_000).map(str) | st.just("idle"),
    ),
    **dict.fromkeys(["cpu_quota", "total_cpu_quota"], percents(1, 10_000) | infinity),
    **dict.fromkeys(["runtime_max", "idle_timeout"], milliseconds | infinity),
    "notify_on": st.lists(st.sampled_from(["idle", "needs-permission", "ended"])),
    "notify_after": milliseconds,
    "notify_command": st.builds(lambda path, rest: [path, *rest], paths, st.lists(words)),
    "notify_url": st.sampled_from(["", "https://example.org/x?y=z", "http://127.0.0.1:8080/hook"]),
    "notify_secret_file": paths,
    "notify_timeout": milliseconds,
    "notify_retry": milliseconds,
    "notify_desktop": st.sampled_from(["auto", "true", "false"]),
    "log_level": st.sampled_from(["debug", "info", "notice", "warning", "error"]),
    "enable_linger": st.sampled_from(["true", "false"]),
}


def assert_one_line(error: ArtacError) -> None:
    assert error.kind is ErrorKind.CONFIG
    assert len(error.message.splitlines()) == 1
    error.message.encode()


def test_every_setting_is_covered() -> None:
    assert VALID.keys() == SETTINGS.keys()


@given(st.integers(0, 1 << 60))
def test_size_round_trip(size: int) -> None:
    assert parse_size(format_size(size)) == size


@given(st.integers(0, 10**15))
def test_duration_round_trip(microseconds: int) -> None:
    seconds = microseconds / 1e6
    assert parse_duration(format_duration(seconds)) == seconds


@given(keys, junk, layers)
def test_any_value_is_read_or_refused(key: str, raw: Any, layer: Layer) -> None:
    try:
        resolved = merge([Given(key, raw, Origin(layer, "somewhere:1"))])
    except ArtacError as error:
        assert_one_line(error)
        return
    to_json(resolved)
    setting = SETTINGS[key]
    value = getattr(resolved.settings, key)
    assert setting.kind.parse(setting.kind.write(value)) == value


@given(junk_text, junk)
def test_any_key_is_known_or_refused(key: str, raw: Any) -> None:
    try:
        merge([Given(key, raw, Origin(Layer.YAML, key))])
    except ArtacError as error:
        assert_one_line(error)


@given(st.text() | st.text(alphabet="&*!{}[]-:,#|>'\"%@\\?~<= \n\tamxU0"))
def test_any_yaml_is_read_or_refused(text: str) -> None:
    try:
        parse_yaml("file", text)
    except ArtacError as error:
        assert_one_line(error)


@given(st.text() | st.text(alphabet="AB='\"#\\ \n\r\texport$"))
def test_any_dotenv_is_read_or_refused(text: str) -> None:
    try:
        variables = parse_dotenv("file", text)
    except ArtacError as error:
        assert_one_line(error)
        return
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for variable in variables:
        assert variable.name in lines[variable.line - 1]


@given(st.binary(max_size=200))
def test_any_file_is_read_or_refused(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory)
        (path / "artac.yaml").write_bytes(content)
        (path / ".env").write_bytes(content)
        try:
            load({}, {}, path, path)
        except ArtacError as error:
            assert_one_line(error)


@given(st.data(), keys, st.lists(layers, min_size=1, max_size=6))
def test_later_layer_counts(data: st.DataObject, key: str, found_in: list[Layer]) -> None:
    # Lists and mappings as they are: only a text depends on its layer.
    values = [
        Given(key, data.draw(VALID[key]), Origin(layer, f"{layer.name}:{number}"))
        for number, layer in enumerate(sorted(found_in))
    ]
    resolved = merge(values)
    assert resolved.settings == merge(values[-1:]).settings
    assert resolved.origins[key] == values[-1].origin
    assert all(origin.layer is Layer.DEFAULT for k, origin in resolved.origins.items() if k != key)


@given(st.fixed_dictionaries({key: VALID[key] for key in VALID if key != "session_env"}))
def test_what_is_shown_can_be_loaded(raws: dict[str, Any]) -> None:
    resolved = merge(Given(key, raw, Origin(Layer.YAML, "a:1")) for key, raw in raws.items())
    text = "".join(f"{row.key}: {row.value}\n" for row in rows(resolved))
    again = merge(
        Given(key, raw, Origin(Layer.YAML, "b:1")) for key, raw, _ in parse_yaml("b", text)
    )
    assert again.settings == resolved.settings
