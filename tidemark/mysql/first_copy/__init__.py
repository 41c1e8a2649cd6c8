"""The first backup's data, copied from the source once."""
