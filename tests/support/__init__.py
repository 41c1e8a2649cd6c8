"""What tests share: waiting for a condition, and the programs that a test needs."""
