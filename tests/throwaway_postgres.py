"""A pytest plugin: unless a URL of a database names a server, the tests get one of their own."""

import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sensenova_billing.dev_server.postgres import throwaway_server

# A file system in memory: without it tests that make, copy and kill servers wait for a disk most of the time.
MEMORY = Path("/dev/shm")
# More than the files of all workers' servers ever take together; a container may have 64 MB.
ENOUGH = 4 * 2**30

# Set where the server is our own, which may be left with whatever the tests make.
OWN_SERVER = "TESTS_HAVE_THEIR_OWN_SERVER"

_server = ExitStack()


@pytest.hookimpl(
    wrapper=True
)  # a wrapper comes before pytest-django, which reads the settings in the same hook
def pytest_load_initial_conftests() -> Generator[None, None, None]:
    """Start the server before anything reads the settings."""
    _keep_temporary_files_in_memory()
    if "CITUS_DATABASE_URL" in os.environ:
        os.environ["DATABASE_URL"] = os.environ["CITUS_DATABASE_URL"]
    if "DATABASE_URL" not in os.environ:
        # Killed processes lose nothing without fsync, only a power failure does; the tests run faster.
        os.environ["DATABASE_URL"] = _server.enter_context(throwaway_server(fsync=False))
        os.environ[OWN_SERVER] = "1"
    return (yield)


def pytest_unconfigure() -> None:
    """Stop the server and remove its files; if pytest is killed, the server ends by itself."""
    _server.close()


def _keep_temporary_files_in_memory() -> None:
    """Let this process and those that it starts make temporary files there, where it has room for them."""
    if "TMPDIR" in os.environ or not os.access(MEMORY, os.W_OK) or shutil.disk_usage(MEMORY).free < ENOUGH:
        return
    # pytest keeps what the last runs left in `tmp_path`, for somebody to look at: that stays where it was.
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
    os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)
