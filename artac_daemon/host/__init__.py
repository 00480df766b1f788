"""The machine: one module per thing of it, no policy."""
