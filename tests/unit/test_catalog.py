"""The journal's catalog explains every MESSAGE_ID that is used, and no other."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from artac_daemon.host.message_ids import MessageId, of_end
from artac_daemon.model.end import Reason
from tests.support import cache, capability

CATALOG = cache.PROJECT / "systemd/catalog/artac.catalog"
ENTRY = re.compile(r"^-- ([0-9a-f]{32})\n((?:[A-Z][A-Za-z-]+: .+\n)+)\n((?:(?!-- ).*\n)+)", re.M)


def entries() -> dict[str, tuple[str, str]]:
    return {key: (head, text) for key, head, text in ENTRY.findall(CATALOG.read_text())}


def test_the_catalog_and_the_code_name_the_same_ids() -> None:
    assert re.findall(r"^-- (.*)$", CATALOG.read_text(), re.M) == list(entries())
    assert set(entries()) == {member.value for member in MessageId}
    assert len(set(entries())) == len(MessageId.__members__), "one id stands for two things"


def test_the_page_lists_them_all() -> None:
    page = (cache.PROJECT / "docs/observability.md").read_text()
    assert set(re.findall(r"^\| `([0-9a-f]{32})` \|", page, re.M)) == set(entries())


def test_every_id_is_used() -> None:
    files = (cache.PROJECT / "artac_daemon").rglob("*.py")
    code = "\n".join(path.read_text() for path in files)
    for name in MessageId.__members__:
        uses = re.findall(rf"\b(?:MessageId|journal)\.{name}\b", code)
        declared = len(re.findall(rf"^    {name} = journal\.{name}\b", code, re.M))
        assert len(uses) > declared, f"{name} is sent by nobody"


def test_each_says_what_it_is_and_what_it_means() -> None:
    for message_id, (head, text) in entries().items():
        assert "Subject: " in head and "Defined-By: artac\n" in head, message_id
        assert len(text.strip()) > 100, message_id
        assert all(len(line) <= 78 for line in text.splitlines()), message_id


def test_fields_that_it_shows_are_sent() -> None:
    shown = set(re.findall(r"@([^@\s]+)@", CATALOG.read_text()))
    assert shown == {"ARTAC_SESSION", "ARTAC_NAME"}


def test_every_end_has_an_id() -> None:
    assert {of_end(reason) for reason in Reason} == {
        MessageId.ENDED, MessageId.ENDED_OOM, MessageId.ENDED_LOST,
    }  # fmt: skip


def test_journalctl_reads_the_catalog(tmp_path: Path) -> None:
    capability.require(None if shutil.which("journalctl") else "journalctl is not installed")
    place = tmp_path / "usr/lib/systemd/catalog"
    place.mkdir(parents=True)
    shutil.copy(CATALOG, place)
    (tmp_path / "var/lib/systemd/catalog").mkdir(parents=True)
    journalctl = ["journalctl", f"--root={tmp_path}"]
    made = subprocess.run([*journalctl, "--update-catalog"], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    listed = subprocess.run([*journalctl, "--list-catalog"], capture_output=True, text=True)
    assert set(re.findall(r"^([0-9a-f]{32}) artac: ", listed.stdout, re.M)) == set(entries())
