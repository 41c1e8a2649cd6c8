"""Real servers on this machine, for the tests and the demo. Not part of the product."""
