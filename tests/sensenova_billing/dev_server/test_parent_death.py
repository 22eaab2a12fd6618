"""A forked process does not outlive its parent, not even one that ended before the two were tied."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sensenova_billing.dev_server.parent_death import UNDER_RUNNER
from tests.sensenova_billing.processes import (
    eventually,
    output_of,
    start,
    temporary_data_directory,
    users_of,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux can promise it")


@pytest.fixture
def directory() -> Iterator[Path]:
    with temporary_data_directory() as made:
        yield made


def fork(directory, *, parent, **environment):
    """Fork a process whose parent ends or stays, and wait until it is gone."""
    forking = start(
        "-m",
        "tests.sensenova_billing.forked",
        parent,
        directory=directory,
        **{UNDER_RUNNER: "1"} | environment,
    )
    assert forking.wait(10) == 0
    assert eventually(lambda: not users_of(directory), seconds=10)


def test_a_fork_whose_parent_is_there_goes_on(directory):
    fork(directory, parent="stays")
    assert "it goes on" in output_of(directory)


def test_a_fork_whose_parent_has_ended_ends_too(directory):
    fork(directory, parent="ends")
    assert output_of(directory) == ""


def test_what_the_runner_did_not_start_is_left_alone(directory):
    fork(directory, parent="ends", **{UNDER_RUNNER: ""})
    assert "it goes on" in output_of(directory)
