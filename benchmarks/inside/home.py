"""`home ENVIRONMENT`: Claude Code's settings of the account, so that it asks nothing."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from . import api, turns


def settle(environment: dict[str, str]) -> None:
    """The environment is for `claude --bg`, which drops a shell's own ANTHROPIC_BASE_URL."""
    known = {
        "hasCompletedOnboarding": True,
        "customApiKeyResponses": {"approved": [environment["ANTHROPIC_API_KEY"][-20:]]},
        "projects": {api.WORK: {"hasTrustDialogAccepted": True}},
    }
    home = Path(api.WORK).parent
    (home / ".claude").mkdir(exist_ok=True)
    (home / ".claude.json").write_text(json.dumps(known))
    (home / ".claude/settings.json").write_text(json.dumps({"env": environment}))


if __name__ == "__main__":
    settle(json.loads(sys.argv[1]))
    turns.tell({})
