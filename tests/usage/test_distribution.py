"""Usage records over the workers of Citus; the other tests of this file need no Citus."""

import json
from io import StringIO
from unittest import mock

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.utils import timezone

from accounts.api_keys.keys import issue_service_key
from accounts.models import Customer, Scope
from benchmarks.cluster import on_node
from invoices.books.verify import verify_books
from invoices.models import HourlyBill
from invoices.retention.archive import archive_span
from invoices.retention.spans import Span
from sensenova_billing.checks import check_distribution
from tests import citus
from tests.builders import THE_HOUR, as_json, at, close, record, report
from tests.usage.quarantine.builders import in_quarantine
from usage.archive.parquet import ArchiveError
from usage.distribution.cluster import TABLE
from usage.distribution.distribute import distribute
from usage.ingest.reversals import reverse_record
from usage.models import AdmittedCall, UsageRecord
from usage.quarantine.decide import store_quarantined

on_citus = pytest.mark.skipif(not citus.URL, reason=citus.WHY_SKIPPED)
elsewhere = pytest.mark.skipif(bool(citus.URL), reason="the tests' database has Citus")
MANY = 40


def said(*arguments):
    """What the command says."""
    out = StringIO()
    call_command("distribute_usage", *arguments, stdout=out)
    return out.getvalue()


def rows(statement, *values):
    """The rows of a statement on the coordinator."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return cursor.fetchall() if cursor.description else []


def complaints():
    """What the start would complain of."""
    return [found.id for found in check_distribution(databases=["default"])]


@pytest.fixture
def many():
    """Customers on all shards, with a call each."""
    customers = [Customer(code=f"c-{n}", name=f"Customer {n}") for n in range(MANY)]
    return Customer.objects.bulk_create(customers)


def calls(customers):
    return [report(f"call-{one.code}", customer=one.code) for one in customers]


# --- Elsewhere -------------------------------------------------------------------------------------


@elsewhere
@pytest.mark.django_db
def test_without_citus_the_command_says_what_is_missing_and_nothing_complains():
    with pytest.raises(CommandError, match="CREATE EXTENSION citus"):
        said()

    assert complaints() == []


# --- On Citus --------------------------------------------------------------------------------------


@on_citus
@pytest.mark.django_db
def test_repeated_it_says_how_usage_is_distributed():
    again = said()

    assert f"in {citus.SHARDS} shards; each refuses every change" in again
    assert again.count(f": {citus.SHARDS // 2} shards") == 2
    assert complaints() == []


@on_citus
@pytest.mark.django_db(transaction=True)
def test_records_that_are_there_move_with_everything_that_guards_them(many):
    rows(f"SELECT undistribute_table('{TABLE}')")
    record(*calls(many))
    assert complaints() == ["billing.W003"]

    planned, before = said("--plan"), complaints()
    done = distribute(shards=citus.SHARDS)

    assert f"{MANY} usage records will be moved to 2 workers" in planned
    assert (before, complaints()) == (["billing.W003"], [])
    assert (done.records, done.cluster.shards, UsageRecord.objects.count()) == (MANY, citus.SHARDS, MANY)
    # Nothing is left here that only Citus hides.
    assert rows(f"SELECT pg_relation_size('{TABLE}')") == [(0,)]


@on_citus
@pytest.mark.django_db
def test_usage_is_posted_repeated_corrected_and_billed_exactly(post, many):
    sent = [as_json(one) for one in calls(many)]
    first, second = post(json.dumps(sent)), post(json.dumps([*sent, as_json(report("late", customer="c-1"))]))
    conflict = post(json.dumps([sent[0] | {"input_tokens": 7}]))
    close()
    reverse_record(customer=many[0], event_id="call-c-0", reason="Twice.", by="ops", now=at(70))
    record(report("late", customer="c-2"), now=at(70))
    close(hour=1)

    assert (first.json(), second.json()) == (
        {"accepted": MANY, "duplicates": 0},
        {"accepted": 1, "duplicates": MANY},
    )
    assert conflict.status_code == 409
    amounts = dict(HourlyBill.objects.filter(hour=THE_HOUR).values_list("customer_code", "amount"))
    assert len(amounts) == MANY
    assert amounts["c-0"]
    assert amounts["c-1"] == 2 * amounts["c-0"]
    corrected = HourlyBill.objects.get(customer=many[0], hour=at(60))
    assert corrected.amount == -amounts["c-0"]
    assert HourlyBill.objects.get(customer=many[2], hour=at(60)).amount == amounts["c-2"]
    assert verify_books().findings.count == 0


@on_citus
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("change", ["DELETE FROM {}", "UPDATE {} SET input_tokens = 0", "TRUNCATE {}"])
def test_no_record_is_changed_through_the_coordinator_or_on_a_shard(change, many):
    record(*calls(many))

    with pytest.raises(DatabaseError, match="never changed"):
        rows(change.format(TABLE))
    answers = rows("SELECT success, result FROM run_command_on_shards(%s, %s)", TABLE, change.format("%s"))

    # A TRUNCATE of a shard is refused by Citus itself.
    refused = ("never changed", "because it is a shard")
    assert len(answers) == citus.SHARDS
    assert not any(succeeded for succeeded, _ in answers)
    assert all(any(text in result for text in refused) for _, result in answers)


@on_citus
@pytest.mark.django_db
def test_archiving_is_refused_before_anything_is_written(acme, tmp_path):
    record()
    close()

    with pytest.raises(ArchiveError, match="distributed by Citus"):
        archive_span(span=Span(THE_HOUR, at(60)), folder=tmp_path, now=at(300))

    assert not [*tmp_path.iterdir()]


@on_citus
@pytest.mark.django_db
def test_a_trigger_or_constraint_that_a_shard_lacks_is_found(acme):
    (shard,) = rows("SELECT min(shardid) FROM pg_dist_shard")[0]
    rows(
        "SELECT run_command_on_shards(%s, %s)",
        TABLE,
        f"ALTER TABLE %s DISABLE TRIGGER usage_records_are_append_only_{shard}",
    )
    try:
        found, books = complaints(), verify_books().findings
    finally:
        rows(
            "SELECT run_command_on_shards(%s, %s)",
            TABLE,
            f"ALTER TABLE %s ENABLE ALWAYS TRIGGER usage_records_are_append_only_{shard}",
        )

    assert found == ["billing.E040"]
    assert books.count == 1
    assert complaints() == []


@on_citus
@pytest.mark.django_db
def test_a_setting_without_which_triggers_would_be_refused_is_named():
    with connection.cursor() as cursor, transaction.atomic():
        cursor.execute("SET LOCAL citus.enable_unsafe_triggers = off")
        found = check_distribution(databases=["default"])
        transaction.set_rollback(True)

    assert [one.id for one in found] == ["billing.E040"]
    assert "SET citus.enable_unsafe_triggers = on" in str(found[0].hint)


@on_citus
@pytest.mark.django_db
def test_quarantine_and_call_windows_work_beside(acme):
    held = in_quarantine()
    store_quarantined(pk=held.pk, by="ops", reason="Its service.", now=at(90), service="SenseChat-5")
    key = issue_service_key(name="gateway", scopes=[Scope.CALLS_ADMIT])[1]
    admitted = Client().post(
        "/api/v1/calls",
        {"customer": "acme", "service": "SenseChat-5", "estimated_tokens": 1000, "call_id": "call-9"},
        content_type="application/json",
        headers={"Authorization": f"Bearer {key}"},
    )
    record(report("call-2", call_id="call-9", occurred_at=timezone.now()), now=timezone.now())

    assert (admitted.status_code, UsageRecord.objects.count()) == (200, 2), admitted.content
    assert AdmittedCall.objects.get().state == "settled"


@on_citus
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_waited_for", [True, False], ids=["as it is", "without waiting, as a control"])
def test_what_the_coordinator_has_committed_and_a_worker_has_not_is_billed(is_waited_for, acme):
    record()
    leave_uncommitted("unseen", acme)
    assert UsageRecord.objects.count() == 1

    if is_waited_for:
        close()
    else:
        with mock.patch("usage.billing_hours.finish_commits"):
            close()
        rows("SELECT recover_prepared_transactions()")

    assert UsageRecord.objects.count() == 2
    assert HourlyBill.objects.get().records == (2 if is_waited_for else 1)
    assert (verify_books().findings.count == 0) == is_waited_for


def leave_uncommitted(event_id, customer):
    """Store a record as a coordinator does whose connection to the worker is lost right before its commit."""
    ((shard, host, port, group),) = rows(
        """SELECT shardid, nodename, nodeport, groupid
             FROM pg_dist_placement JOIN pg_dist_node USING (groupid)
            WHERE shardid = get_shard_id_for_distribution_column(%s, %s)""",
        TABLE,
        customer.pk,
    )
    name = f"citus_0_{event_id}"
    columns = [str(field.column) for field in UsageRecord._meta.concrete_fields]
    chosen = ", ".join(f"'{event_id}'" if column == "event_id" else column for column in columns)
    insert = f"INSERT INTO {TABLE}_{shard} ({', '.join(columns)}) SELECT {chosen} FROM {TABLE}_{shard}"  # noqa: S608  # names of our own
    database = connection.settings_dict["NAME"]
    on_node(citus.URL, (host, port), f"BEGIN; {insert}; PREPARE TRANSACTION '{name}'", database=database)
    rows("INSERT INTO pg_dist_transaction (groupid, gid) VALUES (%s, %s)", group, name)
