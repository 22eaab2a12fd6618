"""A database that could forget what was acknowledged is refused: by the web server's start and by /readyz."""

import os
import subprocess
import sys

import pytest
from django.db import connection

from sensenova_billing.dev_server.data_directory import REPOSITORY
from sensenova_billing.dev_server.secret_key import new_secret_key
from tests.sensenova_billing.processes import server_on_copy

SERVE = "import sensenova_billing.wsgi"


def start_serving(url, **environment):
    return subprocess.run(
        [sys.executable, "-c", SERVE],
        cwd=REPOSITORY,
        env={
            **os.environ,
            "DATABASE_URL": url,
            "DJANGO_SETTINGS_MODULE": "sensenova_billing.settings",
            "SECRET_KEY": new_secret_key(),
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def safe(prepared):
    with server_on_copy(prepared) as url:
        yield url


@pytest.fixture(scope="module")
def without_fsync(prepared):
    with server_on_copy(prepared, fsync=False) as url:
        yield url


def test_a_safe_database_is_served(safe):
    assert start_serving(safe).returncode == 0


def test_without_fsync_nothing_is_served(without_fsync):
    served = start_serving(without_fsync)

    assert served.returncode != 0
    assert "PostgreSQL's fsync is off: acknowledged usage could be lost in a crash." in served.stderr


def test_without_synchronous_commit_nothing_is_served(safe):
    served = start_serving(f"{safe}&options=-c%20synchronous_commit%3Doff")

    assert served.returncode != 0
    assert "synchronous_commit is off" in served.stderr


def test_the_start_waits_for_an_unavailable_database():
    assert start_serving("postgresql://nobody@127.0.0.1:1/nowhere", DATABASE_POOL_WAIT="1").returncode == 0


@pytest.mark.django_db
def test_readyz_says_that_a_commit_could_be_lost(client):
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
        response = client.get("/readyz")
        cursor.execute("RESET synchronous_commit")

    assert response.status_code == 503
    assert "billing.E003" in response.json()["database"]
