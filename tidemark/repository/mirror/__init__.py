"""A second store that is brought level with the first one, without opening what is copied."""
