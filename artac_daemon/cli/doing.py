"""What a session is at, in the rows of `artac status`."""

from __future__ import annotations

from typing import Any

from . import rendering

_LONGEST = 160
# Of the tokens: what the API calls it, and what people do.
_TOKENS = (
    ("input", "in"),
    ("output", "out"),
    ("cache_read", "from cache"),
    ("cache_creation", "to cache"),
)


def spent(session: dict[str, Any]) -> str:
    """Turns, cost and tokens, as far as they are known."""
    parts = [str(session["turns"])]
    if session["cost_usd"] is not None:
        parts.append(f"${session['cost_usd']:.4f}")
    tokens = session.get("tokens") or {}
    told = [f"{tokens[key]} {word}" for key, word in _TOKENS if tokens.get(key)]
    if told:
        parts.append(f"tokens {', '.join(told)}")
    return "; ".join(parts)


def doing(session: dict[str, Any], now: float) -> list[tuple[str, str]]:
    """Rows of what is known; those that nothing is known of are left out."""
    rows = []
    if session.get("model_in_use"):
        rows.append(("model in use", str(session["model_in_use"])))
    if context := session.get("context"):
        of = f" of {context['window']}" if context["window"] else ""
        rows.append(("context", f"{context['tokens']} tokens{of}"))
    if retry := session.get("retry"):
        rows.append(("retrying", _retry(retry, now)))
    rows += [
        ("asks", f"{asked['request']}: {asked['tool']}; see artac permissions {session['id']}")
        for asked in session.get("permissions", ())
    ]
    if not session["end"] and (tool := session.get("tool")):
        more = f" (and {tool['running'] - 1} more)" if tool["running"] > 1 else ""
        since = rendering.age(now - tool["since"])
        rows.append(("tool", f"{tool['name']} for {since}{more}: {_cut(tool['input'])}"))
    if session.get("last_message"):
        rows.append(("last message", _cut(session["last_message"])))
    if times := session.get("state_seconds"):
        rows.append(("times", _times(times)))
    return rows


def _retry(retry: dict[str, Any], now: float) -> str:
    until = retry["until"]
    when = f"; again in {max(0.0, until - now):.0f}s" if until is not None else ""
    return f"{retry['sentence']}{when}"


def _times(seconds: dict[str, float]) -> str:
    longest_first = sorted(seconds.items(), key=lambda item: -item[1])
    return ", ".join(f"{state} {rendering.age(spent)}" for state, spent in longest_first)


def _cut(text: str) -> str:
    return rendering.cut(" ".join(text.split()), _LONGEST)
