"""A connection dedicated to work that one thread at a time does."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import OperationalError, connection, transaction

from sensenova_billing.lib.database.batching import Batcher
from sensenova_billing.lib.database.dedicated_connection import DedicatedConnection

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def with_a_pool():
    """As in production, with a pool; the connection that the tests use themselves stays as it is."""
    options = connection.settings_dict["OPTIONS"]
    options["pool"] = {"min_size": 0, "max_size": 2}
    yield
    connection.close_pool()  # type: ignore[attr-defined]
    del options["pool"]


@pytest.fixture
def dedicated(with_a_pool):
    """A dedicated connection, closed at the end: the test database cannot be removed before."""
    dedicated = DedicatedConnection()
    yield dedicated
    dedicated.close()


def backend():
    """Return the backend of the connection that this thread uses now."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]


def dedicated_backend(dedicated):
    with dedicated.as_default():
        return backend()


def ended_by_itself(dedicated):
    with dedicated.as_default(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")


def test_every_thread_uses_the_same_connection(dedicated):
    with ThreadPoolExecutor(1) as pool:
        others = pool.submit(dedicated_backend, dedicated).result()

    assert dedicated_backend(dedicated) == others
    assert backend() != others


def test_a_transaction_stays_on_its_own_connection(dedicated):
    with transaction.atomic():
        assert dedicated_backend(dedicated) == backend()


def test_without_a_pool_there_is_no_dedicated_connection():
    assert dedicated_backend(DedicatedConnection()) == backend()


def test_a_connection_that_the_server_has_ended_is_replaced_before_it_is_used(dedicated):
    ended = dedicated_backend(dedicated)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [ended])

    assert dedicated_backend(dedicated) not in (ended, backend())


def test_after_a_failure_the_next_use_opens_another_connection(dedicated):
    first = dedicated_backend(dedicated)
    with pytest.raises(OperationalError):
        ended_by_itself(dedicated)

    assert dedicated_backend(dedicated) not in (first, backend())


def test_a_batcher_uses_a_connection_of_its_own(with_a_pool):
    batcher = Batcher[str, int](lambda requests: [backend() for _ in requests])
    try:
        assert batcher.submit("first") == batcher.submit("second") != backend()
    finally:
        batcher._connection.close()
