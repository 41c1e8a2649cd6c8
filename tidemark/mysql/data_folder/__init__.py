"""A server's data folder at rest: what in it belongs into a backup, whether its pages are sound, how to start on it."""
