"""The private server: started, asked, stopped and, when it must be, killed; and what stands on disk about it."""
