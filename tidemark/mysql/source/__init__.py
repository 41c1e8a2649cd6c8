"""The primary, or a replica that stands in for it: found, logged in to, asked; never read from but for a first copy."""
