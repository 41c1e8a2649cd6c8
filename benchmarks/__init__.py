"""Figures: what Tidemark reaches on this machine, beside what a user would run instead. ``make bench``."""
