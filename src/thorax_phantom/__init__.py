"""Synthetic chest X-rays with known truth, good enough to learn from; see docs/phantom.md."""

from thorax_phantom.archive import write_archive

__all__ = ["write_archive"]
