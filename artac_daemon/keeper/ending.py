"""A session's last steps: its end goes to disk before anyone hears of it, then its tree goes."""

from __future__ import annotations

import select
from collections.abc import Callable, Mapping

from . import journal, record
from .loop import Loop
from .tree import CgroupTree, DescendantTree

# How long a tree that was killed may take to be gone (seconds).
_SWEEP_LIMIT = 10.0


class Ending:
    """`leave` is called with the end once nothing is left."""

    def __init__(
        self,
        loop: Loop,
        log: journal.SessionJournal,
        leave: Callable[[dict[str, object]], None],
    ) -> None:
        self._loop = loop
        self._log = log
        self._leave = leave
        self._tree: CgroupTree | DescendantTree | None = None
        self._end: dict[str, object] = {}

    def begin(self, end: dict[str, object], tree: CgroupTree | DescendantTree | None) -> None:
        """Write the end down and sweep the tree; there is none where nothing was started."""
        self._end = end
        try:
            record.write(".", "end", end)
        except OSError as error:  # a full disk: the journal is the last to know
            what = f"the end could not be written: {error.strerror}: {end}"
            self._log.log(2, what, more={"MESSAGE_ID": journal.END_NOT_WRITTEN})
        if tree is None or not tree.populated():
            self._leave(end)
            return
        self._tree = tree
        if tree.events_fd() >= 0:
            wanted = select.EPOLLPRI | select.EPOLLERR
            self._loop.watch(tree.events_fd(), wanted, lambda _: self.swept())
        self._loop.after("sweep", _SWEEP_LIMIT, lambda: self._leave(end))
        tree.kill()
        self.swept()

    def swept(self) -> None:
        """Something of the tree has gone."""
        if self._tree is None or not self._tree.populated():
            self._leave(self._end)
        elif isinstance(self._tree, DescendantTree):
            self._tree.kill()  # what was forked while the tree was walked


def tell_unseen(log: journal.SessionJournal, end: Mapping[str, object]) -> None:
    """A session has ended while no backend runs to tell it."""
    number, code = end.get("signal"), end.get("exit_code")
    how = f"exit code {code}" if number is None else f"signal {number}"
    # The reason is for the backend to tell, which knows more; this is what it follows from.
    known = {"ARTAC_EXIT_CODE": code, "ARTAC_SIGNAL": number}
    log.log(
        6,
        f"session ended while no backend ran ({how}); `artac why {log.session}` tells more",
        "ended",
        {
            "MESSAGE_ID": journal.ENDED_UNSEEN,
            **{name: str(value) for name, value in known.items() if value is not None},
        },
    )
