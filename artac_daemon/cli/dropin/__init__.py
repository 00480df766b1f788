"""artac-claude: in the place of `claude` for programs that start it themselves."""
