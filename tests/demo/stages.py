"""Where the story is told: this machine's own systemd, a container machine, or without systemd."""

from __future__ import annotations

import json
import os
import shlex
from abc import ABC, abstractmethod
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.demo.narration import say, show
from tests.support import machine as machines


class Stage(ABC):
    """One place to start and stop artac in, and to use it."""

    prompt = "$"

    @abstractmethod
    def start(self, persist: bool) -> None:
        """Start the backend and show how."""

    @abstractmethod
    def stop(self) -> None:
        """Stop the backend and show how."""

    @abstractmethod
    def command(self, *argv: str) -> str:
        """What a command prints; CalledProcessError when it fails."""

    @abstractmethod
    def log(self) -> str:
        """What the backend has logged."""

    @abstractmethod
    def show_alive(self, session: dict[str, Any]) -> bool:
        """Show whether a session's processes are there."""

    def artac(self, *argv: str) -> str:
        """Use artac, and show it."""
        printed = self.command("artac", *argv)
        show(self.prompt, shlex.join(["artac", *argv]), printed)
        return printed

    def sessions(self) -> list[dict[str, Any]]:
        found = json.loads(self.command("artac", "ls", "--all", "--json"))
        listed: list[dict[str, Any]] = found["sessions"] if isinstance(found, dict) else found
        return listed

    def status(self, ref: str) -> dict[str, Any]:
        found = json.loads(self.command("artac", "status", "--json", ref))
        session: dict[str, Any] = found.get("session", found)
        return session


def choose(stack: ExitStack) -> Stage:
    """The best stage that this machine has; says which and why."""
    from tests.demo.container import ContainerStage
    from tests.demo.here import DetachedStage, UserManagerStage

    if _has_user_manager():
        say("systemd runs here: artac is shown as a transient service of your own user manager.")
        return stack.enter_context(UserManagerStage())
    missing = machines.unavailable_reason()
    if missing is None:
        why = "PID 1 is not systemd" if not _is_booted() else "this account has no user manager"
        say(f"{why} here: artac is shown in a container machine with a systemd of its own.")
        return stack.enter_context(ContainerStage())
    say(
        f"There is no systemd to use here, and no container machine can be booted ({missing}). "
        "artac is shown detached: without cgroups, sessions are tracked by their keepers only."
    )
    return stack.enter_context(DetachedStage())


def _is_booted() -> bool:
    return Path("/run/systemd/system").is_dir()


def _has_user_manager() -> bool:
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    return _is_booted() and Path(runtime, "systemd/private").exists()
