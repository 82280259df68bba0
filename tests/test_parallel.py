"""Threads finish in any order; results come in that of the items."""

import ctypes
import subprocess
import sys
import threading
import time
from itertools import islice

import pytest

from thorax.parallel import ordered_map

GLIBC = sys.platform == "linux" and hasattr(ctypes.CDLL(None), "mallopt")
COUNT_FAULTS = """
import resource
from thorax.parallel import keep_freed_memory
if {keep}:
    keep_freed_memory()
bytearray(50_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(3):
    bytearray(b"x") * 50_000_000
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not GLIBC, reason="other C libraries have no such settings")
def test_freed_memory_is_not_fetched_from_the_kernel_again():
    def faults(keep):
        command = [sys.executable, "-c", COUNT_FAULTS.format(keep=keep)]
        return int(subprocess.check_output(command))

    assert faults(keep=True) < 0.5 * faults(keep=False)


def test_results_come_in_the_order_of_the_items():
    """The first item is held back until a later one is done."""
    later_done = threading.Event()

    def work(item):
        if item == 0:
            assert later_done.wait(10)
        if item == 3:
            later_done.set()
        return item * item

    assert list(ordered_map(work, range(10), threads=4, ahead=5)) == [i * i for i in range(10)]


@pytest.mark.parametrize(("threads", "ahead"), [(1, 1), (2, 3), (4, 5)])
def test_never_more_items_are_taken_than_may_wait(threads, ahead):
    taken = []
    items = (taken.append(i) or i for i in range(100))
    results = ordered_map(lambda item: item, items, threads, ahead)
    assert not taken
    for used, item in enumerate(islice(results, 20)):
        assert item == used
        assert len(taken) - used <= 1 + ahead  # the one in hand, and those that wait
    results.close()


def test_items_are_taken_by_the_calling_thread():
    names = set()

    def items():
        for i in range(6):
            names.add(threading.current_thread())
            yield i

    list(ordered_map(lambda item: item, items(), 2, 3))
    assert names == {threading.current_thread()}


def test_an_exception_arrives_where_its_result_would_have_been():
    def work(item):
        if item == 2:
            raise ValueError("the third")
        time.sleep(0.01)
        return item

    results = ordered_map(work, range(5), 2, 3)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="the third"):
        next(results)


def test_an_exception_of_the_items_is_passed_on():
    def items():
        yield 1
        raise OSError("the archive ends here")

    with pytest.raises(OSError, match="ends here"):
        list(ordered_map(lambda item: item, items(), 2, 3))
