"""Fixtures that several test modules share."""

import pytest

from made_up_repository import commit, start_with_a_run


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A repository whose only commit holds the run that also stands in the working tree."""
    monkeypatch.chdir(tmp_path)
    start_with_a_run(tmp_path)
    commit("start")
    return tmp_path
