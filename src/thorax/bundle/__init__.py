"""A finished bundle: what its numbers mean, and the one graph that computes them."""
