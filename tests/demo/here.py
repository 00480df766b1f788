"""The story on this machine itself: under its user manager, or without any systemd."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.demo import login
from tests.demo.narration import say, show
from tests.demo.stages import Stage
from tests.support import cache, claude_code
from tests.support.backend import Backend, until
from tests.support.loopback_api import LoopbackApi

UNIT = "artac-demo.service"


class _HereStage(Stage):
    """What both have in common: a state directory, a home and Claude of their own."""

    def __enter__(self) -> _HereStage:
        self._stack = ExitStack()
        with ExitStack() as building:
            place = Path(building.enter_context(tempfile.TemporaryDirectory(prefix="artac-demo-")))
            self.backend = Backend(place, **self._settings(building))
            self._stack = building.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._end()
        self._stack.close()

    def command(self, *argv: str) -> str:
        module = [sys.executable, "-m", "artac_daemon.cli.main", *argv[1:]]
        return subprocess.run(
            module,
            env={**os.environ, **self.backend.environment()},
            cwd=self.backend.work,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout

    def log(self) -> str:
        return self.backend.log()

    def show_alive(self, session: dict[str, Any]) -> bool:
        left = self.backend.leftovers()
        show(self.prompt, "ps", "\n".join(left) or "(nothing of it is left)")
        return bool(left)

    def _end(self) -> None:
        if self.backend.process is not None:
            self.backend.kill()
        self.backend.end_leftovers()

    def _settings(self, stack: ExitStack) -> dict[str, str]:
        settings = {"CLAUDE_CODE_PATH": str(claude_code.executable()), "IS_SANDBOX": "1"}
        if login.is_there():
            say("Your login is used: the prompts go to the real API.")
            return {**settings, "HOME": str(Path.home()), **login.environment()}
        say(
            "No login and no ANTHROPIC_API_KEY here: the real Claude Code speaks to a small "
            "loopback API of the tests, which answers offline and has no model."
        )
        api = stack.enter_context(LoopbackApi())
        return {
            **settings,
            "ANTHROPIC_BASE_URL": api.url,
            "ANTHROPIC_API_KEY": "sk-ant-none-of-anybody",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
        }


class DetachedStage(_HereStage):
    """artacd as a plain process."""

    _told = 0  # how much of the log was shown

    def start(self, persist: bool) -> None:
        option = "--persist" if persist else "--no-persist"
        self.backend.start(option)
        self._show_news(f"artacd --placement detached {option} &")

    def stop(self) -> None:
        self.backend.stop()
        self._show_news("kill -TERM (artacd)")

    def _show_news(self, command: str) -> None:
        log = self.backend.log()
        show(self.prompt, command, log[self._told :])
        self._told = len(log)


class UserManagerStage(_HereStage):
    """artacd as a transient service of the user's own manager, like the shipped user unit."""

    def start(self, persist: bool) -> None:
        environment = {
            **self.backend.environment(),
            "ARTAC_PLACEMENT": "auto",
            "ARTAC_ENABLE_LINGER": "false",
        }
        # By file: an environment on the command line would be anybody's to read.
        path = self.backend.root / "environment"
        path.touch(mode=0o600)
        path.write_text("".join(f"{name}={text}\n" for name, text in environment.items()))
        option = "--persist" if persist else "--no-persist"
        command = [
            *("systemd-run", "--user", "--quiet", "--collect", f"--unit={UNIT}"),
            *("--property=Type=notify", "--property=NotifyAccess=main", "--property=Delegate=yes"),
            *("--property=KillMode=control-group", f"--property=EnvironmentFile={path}"),
            f"--property=ExecStop=-{sys.executable} -m artac_daemon.cli.main drain",
            f"--property=WorkingDirectory={cache.PROJECT}",
            *(sys.executable, "-m", "artac_daemon.daemon.main", option),
        ]
        subprocess.run(command, check=True)
        show(self.prompt, f"systemctl --user start artac   # {option}", "")

    def stop(self) -> None:
        subprocess.run(["systemctl", "--user", "stop", UNIT], check=True)
        # journald writes what it has heard in its own time.
        last = until(self._last_word, "what artacd says last")
        show(self.prompt, "systemctl --user stop artac", last)

    def _last_word(self) -> str:
        return "".join(
            line for line in self.log().splitlines()[-1:] if line.startswith("Claude sessions ")
        )

    def log(self) -> str:
        return subprocess.run(
            ["journalctl", "--user", "-o", "cat", f"_SYSTEMD_USER_UNIT={UNIT}", "-n", "200"],
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        ).stdout

    def show_alive(self, session: dict[str, Any]) -> bool:
        if session["unit"]:
            command = ["systemctl", "--user", "status", "--no-pager", "--lines=0", session["unit"]]
            shown = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False).stdout
            show(self.prompt, " ".join(command), shown)
        return super().show_alive(session)

    def _end(self) -> None:
        subprocess.run(["systemctl", "--user", "stop", UNIT], stderr=subprocess.DEVNULL)
        self.backend.end_leftovers()
