"""Records leave the table for a file that explains the same books, or not at all."""

import pytest
from django.db import IntegrityError, connection, transaction

from invoices.books.rerun import repeat_rating
from invoices.books.verify import verify_books
from invoices.models import HourSeal
from invoices.retention.archive import archive_span
from invoices.retention.spans import obstacle_of
from tests.builders import at, raw_record, record, report
from tests.invoices.books.builders import alter, found
from tests.invoices.retention.builders import (
    SPAN,
    archive,
    close_and_sum_up,
    restore,
    reverse,
    rows,
    span,
    sum_up,
)
from usage.archive.files import path_of
from usage.archive.identities import store_identities
from usage.archive.parquet import ArchiveError, read_rows, sha256_of, write_rows
from usage.models import ArchivedEvent, UsageArchive, UsageRecord

pytestmark = pytest.mark.django_db


def run(statement, *values):
    """Run a statement that commits."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, values)
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


# --- What an archive does --------------------------------------------------------------------------


def test_records_leave_the_table_and_seals_stay_the_same(books):
    before = list(HourSeal.objects.values_list("hour", "sha256"))

    made = archive()

    assert (made.records, UsageRecord.objects.count(), ArchivedEvent.objects.count()) == (4, 0, 4)
    assert path_of(made).stat().st_size == made.size
    assert list(HourSeal.objects.values_list("hour", "sha256")) == before
    assert bytes(made.seal) == bytes(before[0][1])


def test_the_books_are_verified_from_the_archive(books):
    archive()

    verified = verify_books(besides=repeat_rating)

    assert (verified.findings.first, verified.records, verified.archived_hours) == ([], 4, 2)


def test_books_in_which_everything_happened_are_verified_from_archives(busy, folder):
    sum_up()
    records = verify_books().records

    for hour in (2, 0, 1):
        archive(span(hour, 1))

    verified = verify_books(besides=repeat_rating)
    assert [one.text for one in verified.findings.first] == []
    assert (verified.records, verified.archived_hours) == (records, 3)


def test_an_archive_is_restored_row_for_row_and_may_be_made_again(books):
    before = rows()
    made = archive()

    restore(made)

    assert rows() == before
    assert not ArchivedEvent.objects.exists()
    assert verify_books().findings.first == []
    assert archive().sha256 == made.sha256


def test_a_reversal_verifies_whichever_of_the_two_is_archived(books):
    reverse("call-1")
    close_and_sum_up()

    first = archive()
    assert found() == []
    archive(span(2, 1))
    assert found() == []
    restore(first)
    assert found() == []


# --- What has to stay ------------------------------------------------------------------------------


def test_what_is_still_to_be_billed_or_summed_up_stays(books):
    record(report("call-4", occurred_at=at(130)), now=at(131))
    reversal = reverse("call-1")
    assert obstacle_of(span(0, 3)) == "its hours are not all closed"
    waits = (
        f"a reversal in the hour {reversal.billing_hour:%Y-%m-%d %H:%M} UTC is not billed and summed up yet"
    )
    assert obstacle_of(SPAN) == waits

    with pytest.raises(ArchiveError, match="a reversal in the hour"):
        archive()

    close_and_sum_up()
    assert obstacle_of(SPAN) is None


def test_a_parked_hour_stays(busy, folder):
    sum_up()

    assert obstacle_of(span(0, 3)) is None
    assert obstacle_of(span(3, 1)) == f"the hour {at(180):%Y-%m-%d %H:%M} UTC of a customer is parked"


# --- A run that stops half-way ---------------------------------------------------------------------


def is_completed_by_the_next_run(folder):
    """What the run before left changes nothing, and the next one archives all."""
    assert record(report("call-1")).duplicates == 1
    assert archive().records == 4
    assert not [*folder.glob("*.unfinished")]
    assert found() == []


def test_a_folder_that_is_not_there_changes_nothing(books, folder):
    before = rows()

    with pytest.raises(ArchiveError, match="cannot be written"):
        archive_span(span=SPAN, folder=folder / "missing", now=at(300))

    assert (rows(), UsageArchive.objects.count()) == (before, 0)
    is_completed_by_the_next_run(folder)


def test_a_run_that_ended_while_it_wrote_is_completed(books, folder):
    (folder / f"usage-{SPAN}.4711.unfinished").write_bytes(b"PAR1 half of it")

    is_completed_by_the_next_run(folder)


def test_a_file_that_was_torn_by_a_crash_is_written_again(books, folder):
    made = archive()
    restore(made)
    path_of(made).write_bytes(path_of(made).read_bytes()[:-20])

    assert archive().sha256 == made.sha256
    assert found() == []


def test_a_run_that_ended_after_the_identities_is_completed(books, folder):
    store_identities(from_hour=SPAN.from_hour, until_hour=SPAN.until_hour)

    assert reverse("call-2").reverses == "call-2"
    close_and_sum_up()
    is_completed_by_the_next_run(folder)


def test_books_that_do_not_verify_are_not_archived(books):
    alter("usage_usagerecord", "input_tokens = 999", where="event_id = 'call-1'")

    with pytest.raises(ArchiveError, match="The books do not verify, . findings, first: "):
        archive()

    assert UsageRecord.objects.count() == 4


# --- What the database keeps -----------------------------------------------------------------------

DELETE = "DELETE FROM usage_usagerecord WHERE billing_hour < %s"
RECORD = """
INSERT INTO usage_usagearchive (from_hour, until_hour, records, file, size, sha256, seal, archived_at)
SELECT %s, %s, %s, 'made-up', 1, sha256(''), sha256(''), now()
"""


@pytest.mark.parametrize("records", [3, 4])
def test_records_leave_only_with_all_of_the_recorded_archive_and_their_identities(books, records):
    if records == 3:
        store_identities(from_hour=SPAN.from_hour, until_hour=SPAN.until_hour)

    with pytest.raises(IntegrityError, match="leaves only for an archive: "):
        run(RECORD + "; " + DELETE, SPAN.from_hour, SPAN.until_hour, records, SPAN.until_hour)


def test_an_archive_is_recorded_only_if_its_records_leave(books):
    with pytest.raises(IntegrityError, match="has 4 records, and its hours hold 4"):
        run(RECORD, SPAN.from_hour, SPAN.until_hour, 4)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE usage_usagearchive SET records = 5",
        "DELETE FROM usage_usagearchive",
        "UPDATE usage_archivedevent SET content = ''",
        "DELETE FROM usage_archivedevent",
        "TRUNCATE usage_archivedevent",
        "UPDATE usage_usagearchive SET restored_at = now()",
    ],
)
def test_what_is_archived_is_never_changed(statement, books):
    archive()

    with pytest.raises(IntegrityError):
        run(statement)


def test_an_hour_is_in_one_archive(books):
    archive()

    with pytest.raises(IntegrityError, match="an_hour_is_in_one_archive"):
        run(RECORD, SPAN.from_hour, SPAN.until_hour, 4)


# --- Forged archives -------------------------------------------------------------------------------


def test_a_file_that_is_not_there_or_another_one_is_found(books, folder):
    made = archive()
    path = path_of(made)
    path.rename(folder / "elsewhere")
    missing = f"its records are not verified: {path} is not there."
    assert found() == [("archive", "", missing)] * 2

    path.write_bytes((folder / "elsewhere").read_bytes() + b" ")
    other = f"its records are not verified: {path} is not the file that was archived: its SHA-256 differs."
    assert found() == [("archive", "", other)] * 2


def test_a_forged_file_with_its_hash_is_found_by_the_bills(books):
    made = archive()
    path = path_of(made)
    write_rows(path, [row for row in read_rows(path) if "call-2" not in row])
    sha256 = sha256_of(path).hex()
    alter("usage_usagearchive", f"sha256 = '\\x{sha256}'")

    assert {what for what, *_ in found()} == {"billed twice", "amount"}


def test_records_beside_their_archive_and_another_seal_are_found(books):
    made = archive()
    raw_record("slipped in")
    alter("usage_usagearchive", "seal = sha256('')")

    texts = {text for what, _, text in found() if what == "archive"}
    assert texts == {
        f"{made} has another seal for the hour than the books",
        f"1 records of its hours are beside {made}",
    }
