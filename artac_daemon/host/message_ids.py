"""MESSAGE_IDs of the journal entries that an operator meets; `journalctl -x` explains each.

What they mean and what to do is in systemd/catalog/artac.catalog. An id never changes its meaning:
scripts and alerts ask for it.
"""

from __future__ import annotations

from enum import StrEnum

from ..keeper import journal
from ..model.end import Reason


class MessageId(StrEnum):
    """128 random bits each, as `systemd-id128 new` makes them."""

    READY = "5526831765a04630b84441c09854c688"  # the backend is ready
    REFUSED = "609787fdab9042369cfa1cf1c2ee1e8a"  # a start of the backend was refused
    NOT_CHANGED = "c168f50e700e473a800be36126e9079a"  # a reload was refused
    NO_CLAUDE = "2b628a8412054d5287d720ecf79ee146"  # there is no Claude Code to run
    DETACHED = "c11ea310de02496aae40d34c4acf52eb"  # no systemd keeps the sessions
    LINGER_NEEDED = "bb8b6e92df624316a14fde8e127103a9"  # sessions would end with the last login
    PERSISTED = "ff72e16e70514a97945ce60e92c0c509"  # the backend stopped and its sessions live on
    TERMINATED = "c3ee43bbf0224339bada6758b6dfd348"  # the backend stopped and ended its sessions
    LOOP_LATE = "b839b15c3559449c87c0f8593ed73f17"  # the event loop was held up
    EVENTS_NOT_WRITTEN = "afb3069cfe504585b1821e38deb17bfd"  # the event log cannot be written
    LIMITS_MISSING = "1348a3b53bb34bab8380977a234680a9"  # limits have no effect on this machine
    LIMITS_CHANGED = "3254190753a84842ad4b79771b98179c"  # a running session's limits were changed
    MOVED = "7a113d68ecff41a6b881308fcae0f199"  # a session was moved to the other placement
    STARTED = "58dc51a2fcff405fabe4bb940773904e"  # a session was started
    RESUMED = "3f1d5a5be0a84c6c9d1fb3f0a2c4e697"  # a session's conversation was taken up again
    NOT_RESUMED = "b7c9e2d64f3f4d1c8a5e90f7d6b1a324"  # artac does not take it up by itself
    ADOPTED = "69105e0c18e447f084e7f3bd859c142a"  # a session was found again and taken up
    STOP_ASKED = "f600af8e5682496b9eaf4c078d41e1e5"  # somebody asked for a session's end
    ENDED = "0a69db650b4d4de48242489f3c30c31e"  # a session has ended
    ENDED_OOM = "344a32ad61b0485fab0da9bef27e9305"  # a session has ended because memory ran out
    ENDED_LOST = "74b0f7eee6714cec89581af259c4dd05"  # a session has ended and nobody knows how
    KEEPER_SILENT = "105dab0a09e744e691b48719fd885be1"  # a session's keeper does not answer
    NOT_TOLD = "fddc9e5050a54553be502a42d1cf3aee"  # somebody could not be notified
    SET_ASIDE = "6faa87b8019f4b67a1aec31df23c814b"  # a session's damaged record was moved away
    NOT_STARTED = "9fb5bdf770f840e6bd790aa0c575222c"  # a declared session cannot be started
    # The keeper's own, which knows nothing of this module:
    ENDED_UNSEEN = journal.ENDED_UNSEEN  # a session has ended while no backend ran
    END_NOT_WRITTEN = journal.END_NOT_WRITTEN  # how a session ended is not on disk


def of_end(reason: Reason) -> MessageId:
    """The id of an end for that reason."""
    special = {Reason.OOM: MessageId.ENDED_OOM, Reason.LOST: MessageId.ENDED_LOST}
    return special.get(reason, MessageId.ENDED)
