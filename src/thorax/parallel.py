"""Processors, memory for fast batches, and work in threads whose results come in order."""

import ctypes
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
LARGEST = 2**31 - 1  # bytes; an int of C


def cores() -> int:
    """Processors this process may use."""
    allowed = getattr(os, "sched_getaffinity", None)  # Linux alone
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def keep_freed_memory() -> None:
    """Let glibc keep the memory of one batch for the next; without glibc nothing happens.

    By default it hands large blocks back to the kernel, which clears every page anew: on a CPU
    training then takes about twice as long.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        for threshold in (M_TRIM_THRESHOLD, M_MMAP_THRESHOLD):
            libc.mallopt(threshold, LARGEST)


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
