"""The images of a run: cache rows joined with labels and splits, and batches of them."""
