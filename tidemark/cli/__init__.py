"""The command line."""

from tidemark.cli.main import main

__all__ = ["main"]
