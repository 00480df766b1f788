"""The man pages say what the programs' help, the settings and the errors say, and no more."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from artac_daemon.cli import main
from artac_daemon.daemon.options import parser as artacd_parser
from artac_daemon.model.errors import ErrorKind, TurnExit
from artac_daemon.model.settings import SETTINGS, Reload
from tests.support import capability

PROJECT = Path(__file__).parents[2]
PAGES = (
    "man1/artac.1",
    "man1/artac-claude.1",
    "man5/artac.yaml.5",
    "man8/artac-keeper.8",
    "man8/artacd.8",
)
SECTIONS = ["NAME", "SYNOPSIS", "DESCRIPTION", "FILES", "ENVIRONMENT", "EXIT STATUS", "EXAMPLES"]
COMMON = {"-h", "--help", "--socket"}
OPTION = re.compile(r"--?[a-zA-Z][a-zA-Z-]*")


def generate(target: Path, **environ: str) -> Path:
    kept = {key: value for key, value in os.environ.items() if key != "SOURCE_DATE_EPOCH"}
    subprocess.run(
        [sys.executable, "-B", "packaging/man/generate.py", str(target)],
        cwd=PROJECT,
        env={**kept, **environ},
        check=True,
    )
    return target


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(tmp_path_factory.mktemp("man"), SOURCE_DATE_EPOCH="1700000000")


@dataclass
class Item:
    """An entry of a list: its tag, the text below it, and the entries further in."""

    tag: str
    text: str = ""
    below: list[Item] = field(default_factory=list)


def plain(line: str) -> str:
    line = re.sub(r"\\f[BIPR]|\\\||\\&", "", line)
    line = re.sub(r"\\\[u([0-9A-F]+)\]", lambda found: chr(int(found[1], 16)), line)
    for roff, char in ((r"\(aq", "'"), (r"\(ga", "`"), (r"\(ti", "~"), (r"\(ha", "^")):
        line = line.replace(roff, char)
    return line.replace(r"\~", " ").replace(r"\-", "-").replace(r"\e", "\\")


def items(page: Path, section: str) -> list[Item]:
    """The entries of a section."""
    text = page.read_text().split(f"\n.SH {section}\n", 1)[1].split("\n.SH ")[0]
    top: list[Item] = []
    open_lists, tagged = [top], False
    for line in text.splitlines():
        if tagged:
            open_lists[-1].append(Item(plain(re.sub(r"^\.[A-Z]+ ", "", line))))
        elif line == ".RS":
            open_lists.append(open_lists[-1][-1].below)
        elif line == ".RE":
            open_lists.pop()
        elif not line.startswith(".") and open_lists[-1]:
            open_lists[-1][-1].text += plain(line) + "\n"
        tagged = line == ".TP"
    return top


def options(found: list[Item]) -> set[str]:
    return {name for item in found for name in names(item.tag)}


def names(text: str) -> list[str]:
    """The options in such as `-n, --lines N`."""
    found = []
    for part in text.split(", "):
        if option := OPTION.match(part.strip()):
            found.append(option[0])
    return found


def in_help(text: str) -> set[str]:
    """The options that argparse lists."""
    listed = text.split("\noptions:\n", 1)[1]
    rows = re.findall(r"(?m)^  (-.+?)(?:  .*)?$", listed)
    return {name for row in rows for name in names(row)}


def test_every_page_has_its_sections(pages: Path) -> None:
    found = sorted(str(path.relative_to(pages)) for path in pages.rglob("*") if path.is_file())
    assert found == sorted(PAGES)
    for page in PAGES:
        heads = re.findall(r"(?m)^\.SH (.+)$", (pages / page).read_text())
        assert set(SECTIONS) <= set(heads), page
        assert heads[:3] == SECTIONS[:3] and heads[-1] == "SEE ALSO", page


def test_every_command_is_there_under_its_group(pages: Path) -> None:
    listed = [item.tag.split()[0] for item in items(pages / PAGES[0], "COMMANDS")]
    assert sorted(listed) == sorted(main.VERBS)
    text = (pages / PAGES[0]).read_text()
    assert [
        line
        for line in main.HELP.splitlines()
        if line[:1].isalpha() and f"\n.SS {line}\n.TP\n" in text
    ] == re.findall(r"(?m)^([a-z ]+)\n  [a-z-]+ +\{", main.HELP)


def test_every_option_of_a_command_is_there(
    pages: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for item in items(pages / PAGES[0], "COMMANDS"):
        verb = item.tag.split()[0]
        assert main.main([verb, "--help"]) == 0
        said = capsys.readouterr().out
        assert options(item.below) == in_help(said) - COMMON, verb
        purpose = main.VERBS[verb][1]
        assert purpose[1:] in " ".join(item.text.split()), verb


def test_the_help_and_the_page_agree_before_the_command(pages: Path) -> None:
    listed = options(items(pages / PAGES[0], "OPTIONS"))
    assert listed | {"--help"} == set(re.findall(r"--[a-z]+", _block("options"))) >= {"--socket"}


def test_every_option_of_artacd_is_there(pages: Path) -> None:
    found = items(pages / "man8/artacd.8", "OPTIONS")
    assert options(found) == in_help(artacd_parser().format_help())


def test_every_setting_is_there(pages: Path) -> None:
    found = items(pages / "man5/artac.yaml.5", "SETTINGS")
    assert [item.tag for item in found] == list(SETTINGS)
    for item, setting in zip(found, SETTINGS.values(), strict=True):
        said = " ".join(item.text.split())
        assert setting.doc[1:].replace("`", "") in said
        assert f"Allowed: {setting.kind.allowed}." in said
        default = setting.default if isinstance(setting.default, str) else str(setting.default)
        written = default or '""'
        assert f" Default: {written} " in said
        assert ("restart" in said.rpartition("Changes count")[2]) == (
            setting.reload is Reload.RESTART
        )
    variables = [item.tag for item in items(pages / "man5/artac.yaml.5", "ENVIRONMENT")]
    assert variables == [row.env_name for row in SETTINGS.values() if row.env_name]


def test_every_exit_code_is_there(pages: Path) -> None:
    found = {int(item.tag): item.text for item in items(pages / PAGES[0], "EXIT STATUS")}
    # The help has several in a line: `  0 success       4 no such session`.
    assert set(found) == {
        int(code) for code in re.findall(r"(?:^|  )(\d+) [a-z]", _block("exit codes"), re.MULTILINE)
    }
    for kind in ErrorKind:
        assert found[kind.exit_code].startswith(f"{kind.wire}: ")
    turns = {code for name, code in vars(TurnExit).items() if name.isupper()}
    assert turns <= set(found)

    daemon = {int(item.tag) for item in items(pages / "man8/artacd.8", "EXIT STATUS")}
    said = re.findall(r"(\d+) [a-z]", artacd_parser().epilog or "")
    assert daemon == set(map(int, said))


def test_a_page_depends_on_nothing_but_its_source(pages: Path, tmp_path: Path) -> None:
    one = generate(tmp_path / "one", COLUMNS="40", LC_ALL="C", TZ="Asia/Tokyo")
    two = generate(tmp_path / "two", COLUMNS="200", LC_ALL="C.UTF-8", TZ="UTC")
    for page in PAGES:
        assert (one / page).read_bytes() == (two / page).read_bytes()
        dated, undated = (pages / page).read_text(), (one / page).read_text()
        assert dated == undated.replace('""', '"2023-11-14"', 1)


def test_they_are_made_without_what_artac_runs_on(tmp_path: Path) -> None:
    # -S: no packages. What installs artac need not be what runs it.
    command = [sys.executable, "-B", "-S", "packaging/man/generate.py", str(tmp_path / "man")]
    subprocess.run(command, cwd=PROJECT, check=True)
    assert (tmp_path / "man" / PAGES[0]).exists()


def test_they_are_installed_with_the_completions(tmp_path: Path) -> None:
    variables = [f"DESTDIR={tmp_path}", "PREFIX=/usr", "ZSHCOMPDIR=/usr/share/zsh/site-functions"]
    command = ["make", "--no-print-directory", "install", *variables]
    subprocess.run(command, cwd=PROJECT, check=True, stdout=subprocess.DEVNULL)
    share = tmp_path / "usr/share"
    for file in (
        *(f"man/{page}" for page in PAGES),
        "bash-completion/completions/artac",
        "zsh/site-functions/_artac",
        "fish/vendor_completions.d/artac.fish",
    ):
        assert (share / file).stat().st_mode & 0o777 == 0o644, file


@pytest.mark.parametrize(
    "command", [["mandoc", "-T", "lint"], ["groff", "-man", "-ww", "-z", "-T", "utf8"]]
)
def test_nothing_is_wrong_with_their_form(pages: Path, command: list[str]) -> None:
    if shutil.which(command[0]) is None:
        capability.require(f"{command[0]} is not installed")
    for page in PAGES:
        done = subprocess.run([*command, str(pages / page)], capture_output=True, text=True)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), page


def _block(heading: str) -> str:
    """What stands below a heading of the help."""
    return main.HELP.split(f"\n{heading}\n", 1)[1].split("\n\n")[0]
