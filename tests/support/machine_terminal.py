"""A command of a container machine's on a terminal of the host's, and what a person has of it."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Sequence
from pathlib import Path

from tests.support.machine import Machine
from tests.support.machine_command import inside
from tests.support.pty_terminal import PtyTerminal
from tests.support.xterm import Xterm

ESCAPE = "\x1c"

_MODES = re.compile(rb"\x1b\[\?([\d;]+)([hl])")
# Lines go on in the next one, and the cursor is seen: what a shell has.
_OWN_MODES = {b"7", b"25"}


class MachineTerminal(PtyTerminal):
    """The command leads a session of its own there, as a login shell would that execs it."""

    def __init__(
        self,
        machine: Machine,
        user: str,
        argv: Sequence[str],
        cwd: Path,
        columns: int = 80,
        rows: int = 24,
    ) -> None:
        self.xterm = Xterm(columns, rows)
        uid = machine.uid(user)
        self._uid = uid
        become = ("setpriv", f"--reuid={uid}", f"--regid={uid}", "--init-groups")
        # nsenter stays out of the terminal's session: it reaps the command however that ends, and
        # what nobody reaps keeps the machine from going down.
        command = ["setsid", "--ctty", *become, "env", f"--chdir={cwd}", *argv]
        environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": machine.home(user),
            "LANG": "C.UTF-8",
            "XDG_RUNTIME_DIR": f"/run/user/{uid}",
        }
        super().__init__(inside(machine.leader, command), environment, columns, rows)

    @property
    def lines(self) -> list[str]:
        return self.xterm.lines

    def resize(self, columns: int, rows: int) -> None:
        self.xterm.resize(columns, rows)
        self._set_size(columns, rows)

    def take(self, data: bytes) -> None:
        self.raw += data
        self.xterm.feed(data)

    def _set_size(self, columns: int, rows: int) -> None:
        # A login's terminal is the user's, who may open it.
        os.fchown(self.slave, self._uid, -1)
        super()._set_size(columns, rows)

    def detach(self) -> int:
        """By the keys; the exit code."""
        self.press(f"{ESCAPE}d")
        return self.wait()

    def assert_restored(self) -> None:
        """As the shell that started it needs it."""
        assert self.attributes() == self.saved
        assert not self.xterm.alternate and not self.xterm.shown.cursor.hidden
        assert self._modes() <= _OWN_MODES
        assert b"Traceback" not in self.raw

    def signal(self, number: int) -> None:
        """Send the command a signal; nsenter follows it in ending, stopping and going on."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        for pid in children.read_text().split():
            os.kill(int(pid), number)
        if number == signal.SIGCONT:
            self.process.send_signal(number)

    def close(self) -> None:
        if self.process.poll() is None:
            self.signal(signal.SIGKILL)
            self.process.send_signal(signal.SIGCONT)  # stopped, where the command was
            self.process.wait()
        super().close()

    def _modes(self) -> set[bytes]:
        """The private modes that are on, by all that was written to it."""
        modes = set()
        for names, letter in _MODES.findall(self.raw):
            for name in names.split(b";"):
                (modes.add if letter == b"h" else modes.discard)(name)
        return modes
