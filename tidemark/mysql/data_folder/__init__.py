"""A server's data folder at rest: what in it belongs into a backup, whether its pages are sound, how a server starts on it."""
