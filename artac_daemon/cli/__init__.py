"""artac, the command line."""
