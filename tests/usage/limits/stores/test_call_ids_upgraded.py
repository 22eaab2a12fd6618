"""The upgrade that gives call ids to customers: calls that are held then, and processes that still run."""

import json

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from tests.usage.limits.builders import NAME, TINY, ask, service
from usage.limits.stores.postgres import PostgresWindows
from usage.limits.stores.windows import CallState, RequestedCall, SettledCall

pytestmark = pytest.mark.django_db

BEFORE, AFTER = ("usage", "0010_fewer_statements"), ("usage", "0015_customers_of_a_call")
CALL = f"acme-{NAME}-0"


def migrate(*targets):
    executor = MigrationExecutor(connection)
    executor.migrate(targets)


def run(function, *sent):
    """Call a function of the database as the release before does."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {function}(%s::json)", [json.dumps(sent)])  # noqa: S608
        return cursor.fetchall()


def test_a_call_that_was_admitted_before_the_upgrade_is_settled_after_it(acme):
    migrate(BEFORE)
    run("admit_trip", as_before(acme))
    migrate(AFTER)

    assert PostgresWindows().customers_of(CALL) == {acme.pk}
    assert PostgresWindows().settle([SettledCall(acme.pk, CALL, 7)]) == [CallState.HELD]


def test_going_back_keeps_one_call_of_each_id_and_admits_further(acme, globex):
    other = RequestedCall(globex.pk, service().pk, CALL, 10, TINY)
    ask(acme, 10)
    PostgresWindows().admit([other])
    migrate(BEFORE)

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM usage_admittedcall")
        assert cursor.fetchone() == (1,)
    assert run("settle_calls", {"call_id": CALL}) == [(1, "held")]
    migrate(AFTER)
    assert PostgresWindows().admit([other])[0].admitted


def test_processes_of_the_release_before_admit_and_settle_after_the_upgrade(acme, globex):
    run("admit_trip", as_before(acme), as_before(globex))

    settled = run("settle_calls", {"call_id": CALL, "tokens": 7, "customers": [globex.pk]})
    released = run("settle_calls", {"call_id": CALL, "tokens": None, "customers": None})

    assert (settled, released) == ([(1, "held")], [(1, "settled")])
    assert PostgresWindows().settle([SettledCall(acme.pk, CALL, None)]) == [CallState.RELEASED]


def as_before(customer):
    """A call as the release before sends it."""
    asked = {"call_id": CALL, "tokens": 10, "rpm": TINY.rpm, "tpm": TINY.tpm}
    return asked | {"customer": customer.pk, "service": service().pk}
