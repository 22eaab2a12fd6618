"""PostgreSQL as Celery's broker: installed by a migration, and losing no task of a killed worker."""

import importlib
import os
import signal
import subprocess
import sys

import pytest
from django.db import connection

from sensenova_billing.dev_server import postgres
from sensenova_billing.dev_server.data_directory import REPOSITORY
from tests.sensenova_billing.processes import ask, eventually

migration = importlib.import_module("sensenova_billing.migrations.0001_message_queue")


@pytest.mark.django_db
def test_installing_the_queue_a_second_time_changes_nothing():
    with connection.cursor() as cursor, connection.schema_editor() as editor:
        cursor.execute("SELECT pgmq.create('kept')")
        migration.install_message_queue(None, editor)
        cursor.execute("SELECT queue_name FROM pgmq.list_queues()")
        assert ("kept",) in cursor.fetchall()


@pytest.fixture
def url():
    with postgres.throwaway_server(fsync=False) as made:
        ask(made, postgres_queue_sql())
        ask(made, "CREATE TABLE noted (word text)")
        yield made


def postgres_queue_sql():
    return migration.get_embedded_install_sql()


def celery(url, *arguments):
    application = "tests.sensenova_billing.killed_worker"
    environment = {**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    return subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", application, *arguments],
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def worker(url):
    return celery(url, "worker", "--without-gossip", "--without-mingle", "--concurrency", "1")


def noted(url, word):
    return ask(url, f"SELECT count(*) FROM noted WHERE word = '{word}'")  # noqa: S608 - the words are ours


def kill_group(process):
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_the_task_of_a_killed_worker_is_done_by_the_next(url):
    ask(url, "INSERT INTO noted VALUES ('wait')")
    assert celery(url, "call", "write_twice").wait(20) == 0
    first = worker(url)
    assert eventually(lambda: noted(url, "begun"), seconds=20)
    kill_group(first)
    ask(url, "DELETE FROM noted WHERE word = 'wait'")
    assert noted(url, "ended") == 0
    second = worker(url)
    assert eventually(lambda: noted(url, "ended") == 1, seconds=20)
    kill_group(second)
