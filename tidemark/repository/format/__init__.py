"""What a repository's objects hold, byte by byte; ``docs/format.md`` says the same in words. Nothing here does I/O."""
