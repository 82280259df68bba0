"""Progress of long work: a bar on a terminal, a line a minute in a log, both with an estimate."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from tqdm import tqdm


class _Lines:
    """A log to which every redrawing of a bar is a line of its own, and empty ones are none."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        line = text.strip("\r\n ")
        if line:
            self._stream.write(line + "\n")

    def flush(self) -> None:
        self._stream.flush()


class _Bar(tqdm):  # type: ignore[type-arg]
    """A bar that is full when its work is done, also where the total was an estimate."""

    def __exit__(self, *raised: Any) -> None:
        if raised[0] is None and self.total is not None:
            self.total = self.n
        super().__exit__(*raised)


def bar(
    what: str, *, total: int | None = None, unit: str = "image", start: int = 0, keep: bool = True
) -> "tqdm[Any]":
    """Show progress of `what`, advanced with `.update(n)`; use it in a `with` block.

    Steps of the unit `B` are shown in kB, MB, GB. An earlier try did `start` of the `total` steps.
    With `keep` the finished bar stays on the terminal.
    """
    terminal = sys.stderr.isatty()
    every = 0.2 if terminal else 60.0
    return _Bar(
        total=total,
        initial=start,
        desc=what,
        unit=unit,
        leave=keep,
        unit_scale=unit == "B",
        dynamic_ncols=terminal,
        mininterval=every,
        maxinterval=max(every, 10.0),
        ascii=not terminal,
        file=sys.stderr if terminal else _Lines(sys.stderr),
        delay=0.0 if terminal or keep else 1.0,  # a log need not hear that each epoch began
    )


@contextmanager
def parts(what: str, total: int) -> Iterator[Callable[[str], None]]:
    """Show which of the parts of `what` is at work; give a function to call as each begins."""
    with bar(what, total=total, unit="part") as progress:
        begun = 0

        def begin(part: str) -> None:
            nonlocal begun
            progress.set_description(f"{what}: {part}", refresh=False)
            progress.update(min(1, begun))
            begun += 1
            progress.refresh()

        yield begin
        progress.update()
