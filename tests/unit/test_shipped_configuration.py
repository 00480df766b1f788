"""The files in etc/ and the table of settings say the same."""

from __future__ import annotations

import re
from pathlib import Path

from artac_daemon.daemon import declaration
from artac_daemon.host.dotenv_file import parse_dotenv
from artac_daemon.host.yaml_file import parse_yaml
from artac_daemon.model.declaration import KEYS
from artac_daemon.model.setting_layers import Given, Layer, Origin, merge
from artac_daemon.model.settings import ENV_NAMES, SETTINGS, Reload, Settings

SHIPPED = Path(__file__).parents[2] / "etc"
# A setting is switched off by a "#" alone, prose stands after "# ".
SWITCHED_OFF = re.compile(r"(?m)^#(?=\S)")


def test_every_setting_is_there_with_its_default() -> None:
    text = SWITCHED_OFF.sub("", (SHIPPED / "artac.yaml").read_text())
    entries = parse_yaml("artac.yaml", text)
    given = [Given(key, raw, Origin(Layer.YAML, f"{line}")) for key, raw, line in entries]
    assert {entry.key for entry in entries} == SETTINGS.keys()
    assert merge(given).settings == Settings()


def test_nothing_is_switched_on() -> None:
    assert parse_yaml("artac.yaml", (SHIPPED / "artac.yaml").read_text()) == []
    assert parse_dotenv("artac.env", (SHIPPED / "artac.env").read_text()) == []


def test_every_setting_is_described() -> None:
    shipped = (SHIPPED / "artac.yaml").read_text()
    for key, setting in SETTINGS.items():
        comment = shipped.split(f"\n#{key}:")[0].rpartition("\n\n")[2]
        assert comment.startswith("# "), key
        assert ("(restart)" in comment) == (setting.reload is Reload.RESTART), key
        if setting.env_name and not setting.env_name.startswith("ARTAC_"):
            assert f"# Environment: {setting.env_name}" in comment


def test_the_example_of_a_declared_session_has_every_key() -> None:
    text = (SHIPPED / "sessions.d/nightly.yaml").read_text()
    declaration.parse("nightly", "nightly.yaml", text)
    everything = SWITCHED_OFF.sub("", re.sub(r"(?m)^#  (?=\S)", "  ", text))
    declaration.parse("nightly", "nightly.yaml", everything)
    assert {entry.key for entry in parse_yaml("nightly.yaml", everything)} == KEYS.keys()
    page = (SHIPPED.parent / "docs/declared-sessions.md").read_text()
    assert all(f"`{key}`" in page.partition("\n## Files")[0] for key in KEYS)


def test_environment_file() -> None:
    text = SWITCHED_OFF.sub("", (SHIPPED / "artac.env").read_text())
    names = [variable.name for variable in parse_dotenv("artac.env", text)]
    assert names == ["PERSIST_CLAUDE_SESSIONS", "ANTHROPIC_API_KEY"]
    assert names[0] in ENV_NAMES
    assert "0600" in text and "0640" in text
