"""From packs in the store back to a folder, or to nowhere: every block is checked on its way."""
