"""Work in threads whose results come in order."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def cores() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0))


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int, ahead: int
) -> Iterator[Result]:
    """Yield the results in the order of the items, which the calling thread takes as needed.

    At most `ahead` results wait, so that memory stays bounded however many items there are.
    """
    with ThreadPoolExecutor(threads) as pool:
        jobs: Iterator[Future[Result]] = (pool.submit(function, item) for item in items)
        waiting = deque(islice(jobs, ahead))
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(islice(jobs, 1))
            yield result
