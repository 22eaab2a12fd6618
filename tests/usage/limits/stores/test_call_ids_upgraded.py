"""The upgrade that gives call ids to customers: calls that are held then, and processes that still run."""

import json

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from accounts.models import Customer
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


def test_going_back_keeps_one_call_of_each_id_and_the_upgrade_all_that_were_admitted_before(acme, globex):
    initech = Customer.objects.create(code="initech", name="Initech")
    other = RequestedCall(globex.pk, service().pk, CALL, 10, TINY)
    ask(acme, 10)
    PostgresWindows().admit([other])
    migrate(BEFORE)

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM usage_admittedcall")
        assert cursor.fetchone() == (1,)
    assert run("settle_calls", {"call_id": CALL}) == [(1, "held")]
    run("admit_trip", as_before(initech, call_id="from before"))
    migrate(AFTER)
    assert PostgresWindows().customers_of("from before") == {initech.pk}
    assert PostgresWindows().settle([SettledCall(initech.pk, "from before", 7)]) == [CallState.HELD]
    assert PostgresWindows().admit([other])[0].admitted


def test_processes_of_the_release_before_admit_and_settle_after_the_upgrade(acme, globex):
    run("admit_trip", as_before(acme), as_before(globex))

    settled = run("settle_calls", {"call_id": CALL, "tokens": 7, "customers": [globex.pk]})
    released = run("settle_calls", {"call_id": CALL, "tokens": None, "customers": None})

    assert (settled, released) == ([(1, "held")], [(1, "settled")])
    assert PostgresWindows().settle([SettledCall(acme.pk, CALL, None)]) == [CallState.RELEASED]


def as_before(customer, *, call_id=CALL):
    """A call as the release before sends it."""
    asked = {"call_id": call_id, "tokens": 10, "rpm": TINY.rpm, "tpm": TINY.tpm}
    return asked | {"customer": customer.pk, "service": service().pk}
