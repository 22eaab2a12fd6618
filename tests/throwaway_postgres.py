"""A pytest plugin: unless DATABASE_URL names a server, the tests get one of their own."""

import os
from collections.abc import Generator
from contextlib import ExitStack

import pytest

from sensenova_billing.dev_server.postgres import throwaway_server

_server = ExitStack()


@pytest.hookimpl(
    wrapper=True
)  # a wrapper comes before pytest-django, which reads the settings in the same hook
def pytest_load_initial_conftests() -> Generator[None, None, None]:
    """Start the server before anything reads the settings."""
    if "DATABASE_URL" not in os.environ:
        # Killed processes lose nothing without fsync, only a power failure does; the tests run faster.
        os.environ["DATABASE_URL"] = _server.enter_context(throwaway_server(fsync=False))
    return (yield)


def pytest_unconfigure() -> None:
    """Stop the server and remove its files; if pytest is killed, the server ends by itself."""
    _server.close()
