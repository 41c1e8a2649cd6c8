"""Which backups go and which stay, and the deleting of what no backup refers to."""
