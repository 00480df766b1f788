"""Whether an ended session is taken up again without anybody asking: a pure decision.

A failure comes back after a while that doubles, and only so often. An end on purpose never does:
a person's stop, a limit, the end that Claude came to by itself. What ended with the machine comes
back with the machine, if it is to.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from .end import End, Reason
from .quantities import format_duration
from .session import Restart, StopRequest

LONGEST_BACKOFF = 300.0
"""Seconds: what doubles ends there."""

# What a person, or artac for a person, has asked for.
_ON_PURPOSE = ("stop", "kill", "drain", "limit", "timeout", "done", "overdue")


@dataclass(frozen=True)
class Bounds:
    """How often, and how soon. Times in seconds."""

    attempts: int  # within the window; 0: never
    window: float
    backoff: float  # before the first attempt


@dataclass(frozen=True)
class Ended:
    """A session that has ended, as far as it matters here."""

    end: End
    policy: Collection[Restart]
    same_boot: bool  # it was started since the machine was
    stop: StopRequest | None = None  # on disk, also where nobody noted the end
    attempts: Sequence[float] = ()  # earlier ones, when they were
    env_names: Sequence[str] = ()


@dataclass(frozen=True)
class Decision:
    """`at`: when to take it up, in seconds since the epoch; None: never. `why` is a sentence."""

    at: float | None
    why: str
    at_boot: bool = False  # one of many: one after the other, and once there is a network
    given_up: bool = False  # it would have come back, and cannot


def decide(ended: Ended, bounds: Bounds, now: float) -> Decision:
    """What becomes of it."""
    refusal, cause = _judge(ended)
    if refusal:
        return Decision(None, refusal)
    if ended.env_names:
        names = ", ".join(ended.env_names)
        why = f"it was given variables whose values artac does not keep ({names})"
        return Decision(None, why, given_up=True)
    recent = [at for at in ended.attempts if at > now - bounds.window]
    if len(recent) >= bounds.attempts:
        window = format_duration(bounds.window)
        why = f"it was tried {len(recent)} times within {window} (restart_attempts)"
        return Decision(None, why, given_up=True)
    at_boot = not ended.same_boot
    if at_boot and not recent:
        return Decision(now, cause, True)
    # Not a power of any size: a float has an end.
    delay = min(LONGEST_BACKOFF, bounds.backoff * 2 ** min(len(recent), 32))
    since = max([ended.end.facts.at, *recent])
    why = f"{cause}; attempt {len(recent) + 1} of {bounds.attempts}"
    return Decision(min(now + delay, max(now, since + delay)), why, at_boot)


def _judge(ended: Ended) -> tuple[str, str]:
    """Why it is not to come back, or why it is; the other is ""."""
    end = ended.end
    if not ended.policy:
        return "it has no restart policy", ""
    stop = end.facts.stop or ended.stop
    if stop is not None and stop.why in _ON_PURPOSE:
        return f"it ended on purpose ({stop.why}, asked by {stop.by})", ""
    if end.reason is Reason.COMPLETED:
        return "Claude ended by itself", ""
    # Whether the machine was going down systemd may not have said, where it was asked.
    unsaid = end.facts.host_silent and not ended.same_boot
    if end.reason is Reason.STOPPED and not unsaid:
        return f"it ended on purpose: {end.sentence}", ""
    if not ended.same_boot:
        if Restart.ON_BOOT in ended.policy:
            return "", f"the machine was started again ({end.reason.value})"
        return "the machine was started again, and its policy has no on-boot", ""
    if end.reason is Reason.HOST_SHUTDOWN:
        return "the machine is going down", ""
    if Restart.ON_FAILURE not in ended.policy:
        return "its policy has no on-failure", ""
    return "", f"it ended by a failure ({end.reason.value})"
