"""`artac attach` on a terminal of its own, and what a person has of it."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from artac_daemon.keeper.vt.painting import RESET
from artac_daemon.keeper.vt.terminal import Terminal
from tests.support import cache
from tests.support.backend import Backend, until
from tests.support.pty_terminal import PtyTerminal

# As the installed launcher starts it; and in the way of all other commands.
LAUNCHED = [
    "/usr/bin/python3", "-I", "-S", "-c",
    f"import sys; sys.path.append({str(cache.PROJECT)!r})\n"
    "from artac_daemon.cli.entry import main; sys.exit(main())",
]  # fmt: skip
PARSED = [sys.executable, "-m", "artac_daemon.cli.main"]

ESCAPE = "\x1c"


class AttachedTerminal(PtyTerminal):
    """Drawn by artac's own model, for pyte knows neither the alternate screen nor all modes.

    Without `draws` the bytes are only kept: a flood is too much for it.
    """

    def __init__(
        self,
        backend: Backend,
        *words: str,
        columns: int = 80,
        rows: int = 24,
        command: list[str] = LAUNCHED,
        draws: bool = True,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.model = Terminal(columns, rows)
        self._draws = draws
        self.everything = bytearray()  # all that was written to it
        given = {**backend.environment(), **(environment or {})}
        super().__init__([*command, *words], given, columns, rows)

    @property
    def lines(self) -> list[str]:
        return self.model.text()

    def resize(self, columns: int, rows: int) -> None:
        self.model.resize(columns, rows)
        self._set_size(columns, rows)

    def take(self, data: bytes) -> None:
        self.everything += data
        if self._draws:
            self.model.feed(data)

    def waits_for(self, text: bytes, after: int = 0) -> None:
        """Until that was written to it."""
        looked_at = after

        def there() -> bool:
            nonlocal looked_at
            found = self.everything.find(text, looked_at)
            looked_at = max(after, len(self.everything) - len(text))
            return found >= 0

        self.until(there, repr(text))

    def detach(self) -> int:
        self.press(f"{ESCAPE}d")
        return self.wait()

    def assert_restored(self) -> None:
        """As the shell that started it needs it."""
        assert self.attributes() == self.saved
        assert RESET in self.everything
        assert not self.model.alternate and self.model.cursor_visible
        blank = Terminal(self.model.columns, self.model.rows)
        blank.feed(RESET)
        assert self.model.modes == blank.modes
        assert b"Traceback" not in self.everything


def start(backend: Backend, columns: int = 80, rows: int = 24, name: str = "api") -> str:
    """A terminal session whose program waits for input; its id."""
    session = backend.run(kind="terminal", size=[columns, rows], name=name)
    until(lambda: b"> " in backend.output(session["id"]), "its prompt")
    return str(session["id"])


def keeper(session: Mapping[str, object]) -> int:
    found = session["keeper"]
    assert isinstance(found, dict)
    return int(found["pid"])


def stopped(pid: int) -> bool:
    """Whether a process is stopped."""
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] == "T"
