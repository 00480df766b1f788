"""What artac knows of the Claude Code CLI. Only this package changes when the CLI does."""
