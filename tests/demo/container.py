"""The story in a container machine, with artac installed as `make install` does it."""

from __future__ import annotations

import shlex
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.demo import login
from tests.demo.narration import say, show
from tests.demo.stages import Stage
from tests.support import cache, claude_code
from tests.support.installed import lay, lay_claude
from tests.support.machine import Machine
from tests.support.way import CLAUDE_ENVIRONMENT, Way, start_api

SUITE = "bookworm"


class ContainerStage(Stage):
    """artac.service of a Debian 12 machine, operated by its root."""

    prompt = "machine#"

    def __enter__(self) -> ContainerStage:
        self._stack = ExitStack()
        with ExitStack() as building:
            layer = Path(building.enter_context(tempfile.TemporaryDirectory(prefix="artac-demo-")))
            lay(layer)
            lay_claude(layer)
            real = login.is_there()
            tests = (cache.PROJECT / "tests", "/opt/artac-tests/tests", True)
            self.machine = building.enter_context(
                Machine.boot(SUITE, binds=[claude_code.bind(), tests], layers=[layer], network=real)
            )
            self.machine.linger("artac")
            self._way = Way(self.machine, "artac", "artac.service", user_unit=False)
            self._environment = self._log_in() if real else self._loopback()
            self._stack = building.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def start(self, persist: bool) -> None:
        value = "true" if persist else "false"
        lines = {**self._environment, "PERSIST_CLAUDE_SESSIONS": value}
        self.machine.path("/etc/artac/artac.env").write_text(
            "".join(f"{name}={text}\n" for name, text in lines.items())
        )
        show(self.prompt, f"echo PERSIST_CLAUDE_SESSIONS={value} >>/etc/artac/artac.env", "")
        self._way.start()
        show(self.prompt, "systemctl start artac", "")
        self._tell_status()

    def stop(self) -> None:
        cursor = self.machine.journal_cursor()
        self._way.stop()
        show(self.prompt, "systemctl stop artac", "")
        said = self.machine.journal(f"--since=@{cursor // 1_000_000}", "SYSLOG_IDENTIFIER=artacd")
        told = [e["MESSAGE"] for e in said if int(e["__REALTIME_TIMESTAMP"]) > cursor]
        show(self.prompt, "journalctl -u artac", "\n".join(told))

    def command(self, *argv: str) -> str:
        return self.machine.run(list(argv), cwd=str(self._way.work)).stdout

    def log(self) -> str:
        return self._way.log()

    def show_alive(self, session: dict[str, Any]) -> bool:
        if session["unit"]:
            command = ("status", "--no-pager", "--lines=0", str(session["unit"]))
            shown = self.machine.systemctl_user("artac", *command, check=False)
            show(self.prompt, shlex.join(["systemctl", "--user", *command]), shown.stdout)
        left = self._way.processes()
        show(self.prompt, "ps -U artac", "\n".join(left) or "(no process but the user manager's)")
        return self._way.is_alive(session["claude"]["pid"]) or bool(left)

    def _tell_status(self) -> None:
        status = self._way.systemctl("status", "--no-pager", "--lines=0", "artac").stdout
        show(self.prompt, "systemctl status artac", status)

    def _loopback(self) -> dict[str, str]:
        say(
            "No login and no ANTHROPIC_API_KEY here: the real Claude Code speaks to a small "
            "loopback API of the tests, which answers offline and has no model."
        )
        start_api(self.machine)
        return dict(CLAUDE_ENVIRONMENT)

    def _log_in(self) -> dict[str, str]:
        say("Your login is used: the prompts go to the real API, in the machine's account artac.")
        if path := login.credentials():
            script = "umask 077; mkdir -p .claude; cat >.claude/.credentials.json"
            self.machine.run(["sh", "-c", script], user="artac", input=path.read_text())
        return login.environment()
