"""From a cold folder to packs in the store: every block is read once, and what the parent has is referred to."""
