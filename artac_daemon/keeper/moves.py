"""What a keeper does while a backend moves its session to another cgroup."""

from __future__ import annotations

from .link import Link
from .tree import CgroupTree


class Moves:
    """The move that is under way, if any. The tree is frozen meanwhile; the keeper never is."""

    def __init__(self) -> None:
        self._link: Link | None = None
        self._tree: CgroupTree | None = None

    def begin(self, link: Link, tree: CgroupTree, cgroup: str) -> None:
        """That link's peer is about to move the tree there."""
        tree.being_moved_to(cgroup)
        self._link, self._tree = link, tree

    def settle(self, tree: CgroupTree, cgroup: str) -> None:
        """The tree is there. OSError when it cannot be."""
        tree.settle(cgroup)
        self._link = self._tree = None

    def dropped(self, link: Link) -> bool:
        """Whether that was a backend that died in the middle: it leaves no session frozen."""
        if link is not self._link or self._tree is None:
            return False
        self._tree.thaw()
        self._link = self._tree = None
        return True
