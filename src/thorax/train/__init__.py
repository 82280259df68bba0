"""Train one fold; `loop.fit` is the training loop."""

from thorax.train.loop import train

__all__ = ["train"]
