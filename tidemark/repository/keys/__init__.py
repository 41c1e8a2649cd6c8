"""Master keys and the data key that they wrap: where keys come from, how they are wrapped, changed and retired."""
