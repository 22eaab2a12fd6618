"""An outage of the database or Redis, or a busy database: 503 everywhere, soon, and all well afterwards."""

import time
from contextlib import contextmanager

import psycopg
import pytest
from django.db import InternalError, OperationalError, connection
from django.test import Client

from sensenova_billing.http.errors import outage_of
from sensenova_billing.lib.database.dedicated_connection import DedicatedConnection
from sensenova_billing.lib.database.time_limits import TimeLimits, Work
from tests.sensenova_billing.processes import free_port

pytestmark = pytest.mark.django_db(transaction=True)

PAGES = ["/prices", "/overview", "/customers/acme/bills", "/admin/", "/admin/accounts/customer/"]


@contextmanager
def locked(table):
    """Another session holds this table."""
    chosen = connection.settings_dict
    with psycopg.connect(
        host=chosen["HOST"] or None,
        port=chosen["PORT"] or None,
        user=chosen["USER"] or None,
        password=chosen["PASSWORD"] or None,
        dbname=chosen["NAME"],
    ) as other:
        other.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield
        other.rollback()


@pytest.fixture
def patient_client(operator):
    """A browser that gets to see the page of a failure."""
    client = Client(raise_request_exception=False)
    client.force_login(operator, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def database_down():
    """Nobody listens where the database should be."""
    host, port = connection.settings_dict["HOST"], connection.settings_dict["PORT"]
    connection.close()
    connection.settings_dict.update(HOST="127.0.0.1", PORT=str(free_port()))
    yield
    connection.close()
    connection.settings_dict.update(HOST=host, PORT=port)


@pytest.fixture
def with_a_pool():
    options = connection.settings_dict["OPTIONS"]
    connection.close()
    options["pool"] = {"min_size": 1, "max_size": 4, "timeout": 3, "reconnect_timeout": 1}
    yield
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]
    del options["pool"]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_says_that_the_database_is_unavailable(acme, patient_client, database_down, path):
    answer = patient_client.get(path)

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "Not available at the moment" in answer.content.decode()


@pytest.mark.parametrize("path", ["/metrics", "/readyz", "/api/v1/catalog"])
def test_programs_get_an_error_while_the_database_is_unavailable(database_down, path):
    answer = Client(raise_request_exception=False).get(path)

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")


def test_what_the_driver_raises_while_a_server_side_cursor_is_closed_is_an_outage():
    broken = psycopg.OperationalError("consuming input failed: server closed the connection unexpectedly")

    assert outage_of(broken)
    assert outage_of(broken) == outage_of(OperationalError("the connection is lost"))
    assert outage_of(psycopg.errors.UndefinedTable("no such table")) is None


def test_a_worker_of_citus_that_is_lost_is_an_outage():
    lost = InternalError("failure on connection marked as essential: worker-1.internal:5432")

    assert outage_of(lost) == outage_of(OperationalError("the connection is lost"))
    assert outage_of(InternalError("cache lookup failed")) is None


@pytest.mark.parametrize("path", ["/admin/", "/admin/refused-calls"])
def test_a_page_that_shows_what_redis_holds_is_there_without_it(patient_client, settings, path):
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/1"

    assert patient_client.get(path).status_code == 200


def test_a_batch_that_waits_for_a_lock_is_answered_in_time(acme, post, settings):
    settings.DATABASE_TIME_LIMITS = settings.DATABASE_TIME_LIMITS | {Work.REPORT: TimeLimits(5, 1, 5)}
    reports = [{"event_id": name, "customer": "acme", "service": "SenseChat-5"} for name in ("1", "2")]
    now = ask_now()
    with locked("usage_usagerecord"):
        answer = post(
            [one | {"occurred_at": now, "input_tokens": 1, "output_tokens": 1} for one in reports],
        )

    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "database_timeout")
    assert answer.headers["Retry-After"] == "5"


def ask_now():
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')")
        return cursor.fetchone()[0]


def test_a_connection_of_each_kind_of_work_has_its_limits(with_a_pool, settings):
    settings.DATABASE_TIME_LIMITS = {Work.ADMISSION: TimeLimits(7, 3, 11)}
    dedicated = DedicatedConnection(Work.ADMISSION)
    try:
        with dedicated.as_default(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT current_setting('statement_timeout'), current_setting('lock_timeout'),"
                " current_setting('idle_in_transaction_session_timeout')"
            )
            assert cursor.fetchone() == ("7s", "3s", "11s")
    finally:
        dedicated.close()


def test_health_checks_wait_neither_for_the_pool_nor_for_a_lock(acme, with_a_pool, client):
    connection.settings_dict["OPTIONS"]["pool"]["max_size"] = 1
    connection.ensure_connection()  # the only one of the pool
    with locked("usage_usagerecord"):
        begun = time.monotonic()
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").status_code == 503
        assert client.get("/metrics").status_code == 503

    assert time.monotonic() - begun < 5
    assert client.get("/metrics").status_code == 200


def test_after_a_restart_no_page_meets_a_connection_of_before(acme, with_a_pool, patient_client):
    """All connections of the pool are ended at once, as a restart of PostgreSQL ends them."""
    pool = connection.pool  # type: ignore[attr-defined]
    pool.open()
    pool.resize(4, 4)
    pool.wait(timeout=10)
    connection.ensure_connection()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    connection.close()

    begun = time.monotonic()
    answers = {patient_client.get("/prices").status_code for _ in range(8)}

    assert answers == {200}
    assert time.monotonic() - begun < 5
