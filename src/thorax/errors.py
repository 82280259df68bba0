"""Errors a user can act on, one class per kind, each with its own exit code.

A message says what is wrong, where (file, row, key) and what to do about it. `exit_with_message`
turns such an error into one readable message on stderr; every other exception is a bug and keeps
its traceback.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

DISTRIBUTION = "thorax-cxr"  # the name to install; another product has the name thorax
PR_SET_PDEATHSIG = 1  # of Linux's prctl(2): the signal that a process gets when its parent ends


class ThoraxError(Exception):
    """Base of all errors that are the input's fault, not the program's."""

    exit_code = 1


class ConfigError(ThoraxError):
    """A wrong key, type or value in `params.yaml`, a card or a command line."""

    exit_code = 2


class DataError(ThoraxError):
    """Images, tables or labels that are missing, unreadable or contradictory."""

    exit_code = 3


class IntegrityError(ThoraxError):
    """Bytes that differ from what a checksum, a lock or another stage promised."""

    exit_code = 4


class NumericsError(ThoraxError):
    """A loss that is no longer a finite number."""

    exit_code = 5


class ResourceError(ThoraxError):
    """Not enough memory, disk or time, or a network that does not answer."""

    exit_code = 6


class GateFailed(ThoraxError):  # noqa: N818 - a verdict, not a malfunction
    """A test metric fell by more than the margin."""

    exit_code = 7


class GateInconclusive(ThoraxError):  # noqa: N818 - a verdict, not a malfunction
    """No verdict: too few patients, or no predictions to compare with."""

    exit_code = 8


class BusyError(ThoraxError):
    """Another process holds the same checkpoint or raw store."""

    exit_code = 75


def marked(text: str, stream: TextIO | None = None) -> str:
    """Text in red on a terminal; as it is in a pipe, a file, or where `NO_COLOR` is set."""
    terminal = (stream or sys.stdout).isatty() and not os.environ.get("NO_COLOR")
    return f"\033[31m{text}\033[0m" if terminal else text


@contextmanager
def exit_with_message() -> Iterator[None]:
    """End the process with a message and an exit code, without a traceback, on a `ThoraxError`."""
    try:
        yield
    except ThoraxError as error:
        name = marked(type(error).__name__, sys.stderr)
        print(f"\n{name}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        sys.exit(130)


@contextmanager
def stage() -> Iterator[None]:
    """A stage of the pipeline: the same, and it ends when the process that started it is gone.

    A killed `dvc repro` would leave it running, and the next one would start it a second time.
    """
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        signal.signal(number, signal.default_int_handler)  # what Ctrl-C does
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "prctl"):
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    with exit_with_message():
        yield
