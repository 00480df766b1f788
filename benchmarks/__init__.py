"""The figures: measured in a container machine, as ratios and medians taken in one run."""
