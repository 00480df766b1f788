"""artac: a host for Claude Code sessions on Linux."""

__version__ = "0.1.0"
