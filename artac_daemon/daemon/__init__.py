"""artacd, the backend."""
