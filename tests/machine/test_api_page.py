"""The curl lines of docs/api.md do what the page says, against the artac that is installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.machine.ways import api, system  # noqa: F401
from tests.support import cache, capability
from tests.support.way import Way

PAGE = cache.PROJECT / "docs/api.md"
# `--json` came with 7.82.
OLDEST_CURL = (7, 82)


def _curl_missing() -> str | None:
    """Why this host's curl cannot run them; the trees of the machines have none."""
    if shutil.which("curl") is None:
        return "curl is not installed"
    said = subprocess.run(["curl", "--version"], capture_output=True, text=True).stdout
    version = re.match(r"curl (\d+)\.(\d+)", said)
    if version is None or tuple(map(int, version.groups())) < OLDEST_CURL:
        return f"curl is older than {'.'.join(map(str, OLDEST_CURL))}: {said.splitlines()[:1]}"
    return None


def blocks() -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def described() -> set[tuple[str, str]]:
    """The routes that have a heading of their own."""
    return set(re.findall(r"^### ([A-Z]+) (/\S+)$", PAGE.read_text(), re.MULTILINE))


def test_every_route_is_described_and_has_a_line() -> None:
    from artac_daemon.daemon.handlers import ROUTES

    routes = {
        (route.method, re.sub(r"\{(\w+)\}", lambda part: part[1].upper(), route.path))
        for route in ROUTES
    }
    assert described() == routes
    text = PAGE.read_text()
    for method, path in described():
        section = text.partition(f"### {method} {path}\n")[2].partition("\n### ")[0]
        assert "```sh" in section, f"{method} {path} has no curl line"


def test_the_pages_lines_run_in_order(system: Way, tmp_path: Path) -> None:  # noqa: F811
    capability.require(_curl_missing())
    system.configure()
    system.start()
    # A socket's path may have 107 bytes only: through a link, however deep the machine's is.
    socket = tmp_path / "s"
    socket.symlink_to(f"/proc/{system.machine.leader}/root/run/artac/artac.sock")
    assert len(os.fsencode(socket)) < 108
    marked = [
        f"printf '\\n== block {number}\\n'\n{block}"
        for number, block in enumerate(blocks(), start=1)
    ]
    # $PWD is the machine's: where its account may work, which the host need not have.
    script = "\n".join(["set -eu", f"PWD={system.work}", *marked])
    ran = subprocess.run(
        ["sh", "-c", script],
        env={"PATH": os.environ["PATH"], "SOCKET": str(socket)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=170,
    )
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}\n{system.log()}"
    answers = dict(
        re.findall(r"^== block (\d+)\n(.*?)(?=^== block|\Z)", ran.stdout, re.MULTILINE | re.DOTALL)
    )
    assert len(answers) == len(marked)
    assert '"reason": "stopped"' in ran.stdout and '"reason": "killed"' in ran.stdout
    assert ran.stdout.count('"outcome": "success", "message": "answered"') == 2
    assert '"reached": true' in ran.stdout and "event: end" in ran.stdout
    assert '"ended": 0' in answers[str(len(marked))]
    assert system.processes() == []


def test_a_page_that_lies_is_noticed() -> None:
    """The script ends at the first line whose answer is an error: `--fail-with-body` and -e."""
    capability.require(_curl_missing())
    lines = [line for block in blocks() for line in block.splitlines() if "curl " in line]
    assert lines and all("--fail-with-body" in line for line in lines)
    assert all('--unix-socket "$SOCKET"' in line for line in lines)


@pytest.fixture(autouse=True, scope="module")
def _page() -> None:
    assert blocks(), f"{PAGE} has no sh blocks"
