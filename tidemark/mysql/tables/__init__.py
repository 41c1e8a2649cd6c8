"""Single tables: chosen by patterns, checked, and brought out of a private server."""
