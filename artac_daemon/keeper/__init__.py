"""The process beside each session. Standard library only; imports nothing of the rest."""
