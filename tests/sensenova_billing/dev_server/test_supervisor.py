"""The one command that starts everything: it answers, it stops in order, and killed it leaves nothing."""

import os
import signal
import socket
import time

import pytest

from sensenova_billing.dev_server import postgres
from sensenova_billing.dev_server.server_address import announced_url
from tests.sensenova_billing.processes import (
    ask,
    eventually,
    nothing_runs_on,
    output_of,
    postmasters,
    run,
    run_until_up,
    status,
    temporary_data_directory,
    users_of,
)


@pytest.fixture
def empty():
    with temporary_data_directory() as made:
        yield made


def has_started_all(directory):
    """Report whether the web server is there with its two processes, and the worker."""
    commands = users_of(directory)
    return sum("granian" in command for command in commands) >= 3 and any(
        " worker " in command for command in commands
    )


def test_from_nothing_it_starts_answers_and_is_gone_within_ten_seconds_of_ctrl_c():
    with temporary_data_directory() as directory:
        runner, port = run_until_up(directory, PROXY="0")
        assert "No proxy is in front" in output_of(directory)
        assert (status(port), status(port, "/readyz")) == (200, 200)
        assert eventually(lambda: has_started_all(directory), seconds=20)
        begun = time.monotonic()
        runner.send_signal(signal.SIGINT)
        assert runner.wait(10) == 0
        assert nothing_runs_on(directory)
        assert time.monotonic() - begun < 10
        assert announced_url(directory) is None


def test_killed_it_leaves_nothing_and_starts_again_with_all_rows(prepared):
    with temporary_data_directory(prepared) as directory:
        runner, _ = run_until_up(directory)
        ask(postgres.database_url(directory), "CREATE TABLE kept AS SELECT 1")
        assert eventually(lambda: has_started_all(directory), seconds=20)
        runner.kill()
        runner.wait()
        assert eventually(lambda: nothing_runs_on(directory), seconds=10), users_of(directory)
        runner, port = run_until_up(directory)
        assert ask(postgres.database_url(directory), "SELECT count(*) FROM kept") == 1
        assert status(port) == 200
        runner.terminate()
        assert runner.wait(10) == 128 + signal.SIGTERM
        assert nothing_runs_on(directory)


def test_a_killed_postgresql_is_started_again(product):
    killed = postmasters(product.directory)[0]
    os.kill(killed, signal.SIGKILL)
    assert eventually(lambda: postmasters(product.directory) not in ([], [killed]), seconds=20)
    assert eventually(product.is_ready, seconds=20)
    assert "postgresql ended" in output_of(product.directory)


def test_a_second_one_on_the_same_data_says_so_in_one_line(product, tmp_path):
    second, _ = run(product.directory, output=str(tmp_path / "output"))
    assert second.wait(20) != 0
    assert "already running" in output_of(tmp_path)
    assert len(output_of(tmp_path).splitlines()) == 1


def test_a_taken_port_is_named_in_one_line_and_nothing_is_started(empty):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        runner, _ = run(empty, PORT=str(port))
        assert runner.wait(20) != 0
    assert f"port {port}" in output_of(empty)
    assert len(output_of(empty).splitlines()) == 1
    assert not (empty / "postgresql").exists()
