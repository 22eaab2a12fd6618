"""What README's commands rely on: a running server is found, and the first admin can sign in."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from sensenova_billing.dev_server import postgres
from sensenova_billing.dev_server.server_address import announced, announced_url, local_url
from tests.sensenova_billing.conftest import Product
from tests.sensenova_billing.processes import ask, output_of, start, temporary_data_directory

ADMIN = "first@example.com"
SUPERUSERS = "SELECT string_agg(email, ' ') FROM accounts_user WHERE is_superuser"


@pytest.fixture
def directory() -> Iterator[Path]:
    with temporary_data_directory() as made:
        yield made


def test_a_server_without_a_demo_is_found_and_gets_its_first_admin(product: Product) -> None:
    directory = product.directory
    shown = re.search(r"^  SENSENOVA_DATA_DIR=(\S+) \S+ (manage.py .*)$", output_of(directory), re.MULTILINE)
    assert shown is not None
    assert shown[1] == str(directory)

    command = [*shlex.split(shown[2]), "--noinput", f"--email={ADMIN}"]
    made = start(*command, directory=directory, DJANGO_SUPERUSER_PASSWORD="correct horse battery")
    helped = start("manage.py", "replay_trace", "--help", directory=directory)

    assert (made.wait(30), helped.wait(30)) == (0, 0), output_of(directory)
    assert ask(postgres.database_url(directory), SUPERUSERS) == ADMIN
    assert f"The server (http://127.0.0.1:{product.port})" in " ".join(output_of(directory).split())


def test_a_command_that_finds_no_server_says_where_it_looked_and_what_to_set(directory: Path) -> None:
    failed = start("manage.py", "close_hours", directory=directory)

    assert failed.wait(30) == 1
    assert f"looks in {directory}: if the server runs on another directory" in output_of(directory)
    assert "SENSENOVA_DATA_DIR" in output_of(directory)


def test_a_command_with_a_database_of_its_own_names_that(directory: Path) -> None:
    failed = start("manage.py", "close_hours", directory=directory, DATABASE_URL="postgresql://127.0.0.1:1/x")

    assert failed.wait(30) == 1
    assert "check DATABASE_URL" in output_of(directory)


def test_a_server_is_announced_while_it_runs(tmp_path: Path) -> None:
    with announced(tmp_path, "http://127.0.0.1:8431"):
        assert announced_url(tmp_path) == "http://127.0.0.1:8431"

    assert announced_url(tmp_path) is None


@pytest.mark.parametrize(
    ("address", "url"),
    [("127.0.0.1", "http://127.0.0.1:80"), ("0.0.0.0", "http://127.0.0.1:80"), ("::", "http://[::1]:80")],
)
def test_an_address_to_listen_on_is_reached_on_this_machine(address: str, url: str) -> None:
    assert local_url(address=address, port=80) == url
