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


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium, started once for a module that is marked `chromium.needs_chromium`."""
    from chromium import ARGUMENTS, CHROMIUM, sync_api

    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield running
        running.close()
