"""A session's terminal in the user's own. Nothing here imports what it does not need at once."""
