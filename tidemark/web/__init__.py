"""The fleet in a browser, inside Flower. Only this room knows Flower and Tornado."""
