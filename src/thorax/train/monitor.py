"""What a running training shows: curves per epoch, and in the end where its time went."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from dvclive import Live

from thorax.artifacts.model import Epoch
from thorax.config import Train

T = TypeVar("T")


class Clock:
    """Seconds by activity, images and epochs processed."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.images = 0
        self.epochs = 0
        self._start = time.perf_counter()

    @contextmanager
    def measure(self, activity: str) -> Iterator[None]:
        """Add the time of the block to an activity."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[activity] += time.perf_counter() - start

    def waits_for(self, items: Iterable[T]) -> Iterator[T]:
        """Pass the items on; the time until each arrives counts as waiting for input."""
        iterator = iter(items)
        while True:
            with self.measure("waiting for input"):
                item = next(iterator, None)
            if item is None:
                return
            yield item

    def summary(self) -> str:
        """One line an activity: seconds, percentage, and images/s over training and its input."""
        total = self.total()
        rows = [
            *sorted(self.seconds.items(), key=lambda item: -item[1]),
            ("other", total - sum(self.seconds.values())),
        ]
        lines = [f"  {name:<18} {s:8.1f} s {s / total:6.1%}" for name, s in rows]
        head = f"Where {total:.0f} s went ({self.speed():.0f} images/s in training):"
        return "\n".join([head, *lines])

    def total(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._start

    def left(self, epochs: int) -> str:
        """How long so many epochs more take, if all are needed; empty for none."""
        seconds = self.total() / self.epochs * epochs
        shown = f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
        return f"  at most {shown} left" if epochs else ""

    def speed(self) -> float:
        """Images per second of training, the wait for input included."""
        spent = self.seconds["training"] + self.seconds["waiting for input"]
        return self.images / spent if spent else 0.0


def epoch_line(history: list[Epoch], params: Train, clock: Clock, epochs: int) -> str:
    """The last of at most `epochs` in one line: metrics, speed, time left at most, best or not."""
    last = history[-1]
    names = dict.fromkeys(["loss", "auroc", params.monitor])
    values = "  ".join(f"val {name} {_shown(last.val[name])}" for name in names)
    best = "  best so far" if last.best else ""
    return (
        f"epoch {len(history):>3} of {epochs}  train loss {_shown(last.train['loss'])}  {values}"
        f"  {clock.speed():.0f} images/s{clock.left(epochs - len(history))}{best}"
    )


def _shown(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"


@contextmanager
def curves(
    folder: Path, history: list[Epoch], *, writing: bool
) -> Iterator[Callable[[Epoch], None]]:
    """Give a function that adds one epoch to the curves; earlier epochs are written again first.

    DVC removes a stage's outputs before it runs, so after a resume the curves start from the
    history in the checkpoint.
    """
    if not writing:
        yield lambda _: None
        return
    with Live(str(folder), save_dvc_exp=False, dvcyaml=None, report=None) as live:

        def add(epoch: Epoch) -> None:
            for subset, metrics in (("train", epoch.train), ("val", epoch.val)):
                for name, value in metrics.items():
                    if value is not None:
                        live.log_metric(f"{subset}/{name}", value)
            live.next_step()

        for epoch in history:
            add(epoch)
        yield add
