"""Networks, their weights, and the files they travel in."""
