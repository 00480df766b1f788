"""What the daemon hands over for a session that is in the place of a child."""

from ..asking import field


class Granted:
    """What the daemon has given: descriptors, and which session they are of."""

    def __init__(self, head: bytes, given: list[int]) -> None:
        self.keeper, self.output, self.errors, self.growth = given
        self.session = field(head, b"artac-session")
        self.at = int(field(head, b"artac-at") or 0)
        self.lines = field(head, b"artac-lines") == "1"
        self.persistent = field(head, b"artac-persistent") == "1"
