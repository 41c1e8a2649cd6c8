"""What keeps many threads on one piece of work: how they stop together, what bounds them, what they tell."""
