"""No server signs sessions with a key that others know, and every process has the same one."""

import os
import stat
import subprocess
import sys

import pytest

from sensenova_billing.dev_server.data_directory import REPOSITORY
from sensenova_billing.dev_server.secret_key import (
    FILE,
    fault_of,
    new_secret_key,
    store_secret_key,
    stored_secret_key,
)
from tests.sensenova_billing.processes import output_of, run, temporary_data_directory

PUBLISHED = "insecure-quick-start-key"
ELSEWHERE = ["0.0.0.0", "::", "192.168.1.5", "fd00::1", "billing.example.com"]
HERE = ["127.0.0.1", "127.0.0.2", "::1", "localhost"]
SHOW = "from django.conf import settings; print(settings.SECRET_KEY, settings.SECRET_KEY_IS_TEMPORARY)"
SERVE = "import sensenova_billing.wsgi"


def python(code, directory, **environment):
    """Run this in a process of its own."""
    chosen = {
        "SENSENOVA_DATA_DIR": str(directory),
        "DJANGO_SETTINGS_MODULE": "sensenova_billing.settings",
        "SECRET_KEY": "",
        "DATABASE_URL": "postgresql://127.0.0.1:1/none",  # a database that is unavailable is no reason
        "DATABASE_POOL_SIZE": "0",
    }
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        env=os.environ | chosen | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_key_is_made_once_and_only_its_owner_reads_it(tmp_path):
    store_secret_key(tmp_path)
    made = stored_secret_key(tmp_path)
    (tmp_path / FILE).chmod(0o644)
    store_secret_key(tmp_path)

    assert stored_secret_key(tmp_path) == made
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert (len(made) >= 50, fault_of(made, address="0.0.0.0")) == (True, "")


def test_each_data_directory_has_a_key_of_its_own(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        store_secret_key(tmp_path / name)

    assert stored_secret_key(tmp_path / "a") != stored_secret_key(tmp_path / "b")


def test_all_processes_of_a_data_directory_have_its_key_and_others_none_in_common(tmp_path):
    without = [python(SHOW, tmp_path).stdout.split() for _ in range(2)]
    store_secret_key(tmp_path)
    with_one = [python(SHOW, tmp_path).stdout.split() for _ in range(2)]

    assert with_one == [[stored_secret_key(tmp_path), "False"]] * 2
    assert [temporary for _, temporary in without] == ["True", "True"]
    assert without[0] != without[1]


@pytest.mark.parametrize("key", ["", PUBLISHED, "django-insecure-" + "x" * 60])
def test_a_web_server_does_not_start_with_a_key_that_is_temporary_or_published(tmp_path, key):
    served = python(SERVE, tmp_path, SECRET_KEY=key)

    assert served.returncode != 0
    assert "SECRET_KEY is not set." in served.stderr or "SECRET_KEY is published" in served.stderr
    assert "token_urlsafe(50)" in served.stderr.splitlines()[-1]


def test_a_web_server_starts_with_a_key_of_its_own(tmp_path):
    served = python(SERVE, tmp_path, SECRET_KEY=new_secret_key())

    assert served.returncode == 0


@pytest.mark.parametrize("address", [*ELSEWHERE, *HERE])
def test_a_published_key_is_refused_wherever_it_is_served(address):
    assert "published" in fault_of(PUBLISHED, address=address)


@pytest.mark.parametrize("key", ["changeme", "a" * 60])
def test_a_key_that_can_be_guessed_is_refused_where_others_reach_it(key):
    assert {bool(fault_of(key, address=address)) for address in ELSEWHERE} == {True}
    assert {bool(fault_of(key, address=address)) for address in HERE} == {False}


def test_what_runs_has_the_key_of_its_data_directory(product):
    made = stored_secret_key(product.directory)

    assert len(made) >= 50
    assert made not in output_of(product.directory)


@pytest.mark.parametrize("key", [PUBLISHED, "changeme"])
def test_the_runner_says_so_in_one_line_and_starts_nothing(key):
    with temporary_data_directory() as directory:
        runner, _ = run(directory, SECRET_KEY=key, ADDRESS="0.0.0.0")

        assert runner.wait(20) != 0
        assert output_of(directory).startswith("CommandError: SECRET_KEY ")
        assert len(output_of(directory).splitlines()) == 1
        assert not (directory / "postgresql").exists()
