"""A connection that is kept for work that one thread at a time does."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import OperationalError, connection, transaction

from sensenova_billing.lib.database.batching import Ferry
from sensenova_billing.lib.database.dedicated_connection import KeptConnection

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def with_a_pool():
    """As in production: connections may be kept. What the tests use themselves stays as it is."""
    options = connection.settings_dict["OPTIONS"]
    options["pool"] = {"min_size": 0, "max_size": 2}
    yield
    connection.close_pool()  # type: ignore[attr-defined]
    del options["pool"]


@pytest.fixture
def kept(with_a_pool):
    """A kept connection, closed at the end: the test database cannot be removed before."""
    kept = KeptConnection()
    yield kept
    kept.close()


def backend():
    """Who answers over the connection that this thread uses now."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]


def lent_backend(kept):
    with kept.lent():
        return backend()


def ended_by_itself(kept):
    with kept.lent(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")


def test_whichever_thread_comes_is_lent_the_same_one(kept):
    with ThreadPoolExecutor(1) as pool:
        others = pool.submit(lent_backend, kept).result()

    assert lent_backend(kept) == others
    assert backend() != others


def test_in_a_transaction_all_is_done_over_the_connection_that_has_it(kept):
    with transaction.atomic():
        assert lent_backend(kept) == backend()


def test_where_no_connection_is_to_be_kept_none_is():
    assert lent_backend(KeptConnection()) == backend()


def test_one_that_the_server_has_ended_is_replaced_before_it_is_used(kept):
    ended = lent_backend(kept)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [ended])

    assert lent_backend(kept) not in (ended, backend())


def test_after_one_that_failed_the_next_is_lent_another(kept):
    first = lent_backend(kept)
    with pytest.raises(OperationalError):
        ended_by_itself(kept)

    assert lent_backend(kept) not in (first, backend())


def test_a_ferry_takes_everybody_over_a_connection_of_its_own(with_a_pool):
    ferry = Ferry[str, int](lambda wishes: [backend() for _ in wishes])
    try:
        assert ferry.cross("first") == ferry.cross("second") != backend()
    finally:
        ferry._connection.close()
