"""Reports and reversals that meet an archive: no event is stored twice, no reversal loses its original.

Each race is held still by a transaction that stays open; nothing depends on how fast anything is.
"""

import pytest
from django.db import connection, transaction

from invoices.retention import archive as archiving
from tests.builders import THE_HOUR, at, record, report
from tests.concurrency.threads import PATIENCE, together, wait_until_waiting
from tests.invoices.books.builders import found
from tests.invoices.retention.builders import archive, keep_books_to_archive, reverse
from usage.archive.identities import lock_hours_and_archive
from usage.archive.parquet import ArchiveError
from usage.ingest.record import Receipt
from usage.ingest.resolve import resolve
from usage.ingest.store import copy_rows
from usage.models import ArchivedEvent, UsageArchive, UsageRecord

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def folder(tmp_path, settings):
    """Where archives are written."""
    settings.USAGE_ARCHIVE_DIR = str(tmp_path)
    return tmp_path


@pytest.fixture
def books(acme, globex, folder):
    """Four calls in two closed hours."""
    keep_books_to_archive()


def look_for_archived():
    """The first half of a batch: it has looked for archived events, and found none."""
    billing_hours, is_any = lock_hours_and_archive([THE_HOUR])
    assert not is_any
    return billing_hours


def store(billing_hours):
    """The second half: it stores call-1."""
    records, _ = resolve(reports=[report("call-1")], now=at(150))
    copy_rows(records=list(records.values()), billing_hours=billing_hours, now=at(150))


def hold(customer):
    """Lock a record, as a reversal does."""
    UsageRecord.objects.select_for_update(no_key=True).get(customer=customer, event_id="call-1")


def nothing_is_archived():
    """All is where it was."""
    return (
        UsageRecord.objects.filter(billing_hour__lte=at(60)).count() == 4
        and not UsageArchive.objects.exists()
    )


def test_an_archive_waits_for_reports_that_looked_before_it(books):
    with together() as threads:
        with transaction.atomic():
            billing_hours = look_for_archived()
            archiving_it = threads.start(archive)
            wait_until_waiting(1)
            assert nothing_is_archived()
            with pytest.raises(Exception, match="usage_usagerecord_pkey"), transaction.atomic():
                store(billing_hours)
        archiving_it.result(PATIENCE)

    assert UsageRecord.objects.count() == 0


def test_without_waiting_that_event_would_be_stored_twice(books, monkeypatch):
    """The control."""
    monkeypatch.setattr(archiving, "wait_for_ingest", lambda: None)

    with together() as threads, transaction.atomic():
        billing_hours = look_for_archived()
        threads.start(archive).result(PATIENCE)
        store(billing_hours)

    assert UsageRecord.objects.filter(event_id="call-1").exists()
    assert ArchivedEvent.objects.filter(event_id="call-1").exists()


def test_a_file_that_changes_after_it_was_read_back_moves_nothing(books, folder):
    with together() as threads:
        with transaction.atomic():
            look_for_archived()
            archiving_it = threads.start(archive)
            wait_until_waiting(1)
            (path,) = folder.glob("*.parquet")
            path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(ArchiveError, match="has changed since it was written"):
            archiving_it.result(PATIENCE)

    assert nothing_is_archived()
    assert archive().records == 4


def test_a_run_that_is_killed_while_it_waits_moves_nothing(books):
    with together() as threads, transaction.atomic():
        look_for_archived()
        archiving_it = threads.start(archive)
        wait_until_waiting(1)
        kill_what_waits()
        assert archiving_it.exception(PATIENCE)

    assert nothing_is_archived()
    assert record(report("call-1")) == Receipt(accepted=0, duplicates=1)
    assert archive().records == 4
    assert found() == []


def test_a_run_that_is_killed_while_it_deletes_moves_nothing(books, acme):
    with together() as threads, transaction.atomic():
        hold(acme)
        archiving_it = threads.start(archive)
        wait_until_waiting(1, locktype="transactionid")
        kill_what_waits()
        assert archiving_it.exception(PATIENCE)

    assert nothing_is_archived()
    assert archive().records == 4


def kill_what_waits():
    """End the connection that waits for a lock."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity USING (pid)"
            " WHERE NOT granted AND datname = current_database()"
        )


def test_a_reversal_on_its_way_keeps_its_record_where_it_is(books):
    with together() as threads:
        with transaction.atomic():
            reverse("call-1")
            archiving_it = threads.start(archive)
            wait_until_waiting(1, locktype="transactionid")
            # Its identity is there already: the answer is the same, and waits for nothing.
            again = threads.start(lambda: record(report("call-1"))).result(PATIENCE)
        with pytest.raises(ArchiveError, match="one of them is reversed in an open hour"):
            archiving_it.result(PATIENCE)

    assert again == Receipt(accepted=0, duplicates=1)
    assert nothing_is_archived()


def test_a_late_report_does_not_wait_for_an_archive(books, acme):
    with together() as threads:
        with transaction.atomic():
            hold(acme)
            archiving_it = threads.start(archive)
            wait_until_waiting(1, locktype="transactionid")
            threads.start(lambda: record(report("late"))).result(PATIENCE)
        archiving_it.result(PATIENCE)

    late = UsageRecord.objects.get()
    assert (late.event_id, late.billing_hour) == ("late", at(120))
