"""From a restored position to the checkpoint: following a source, and what its threads say when they cannot."""
