"""`manage.py archive_usage` and `restore_usage`, and the clock's task, with a day of long ago."""

import datetime as dt
import io

import pytest
from django.core.management import CommandError, call_command

from invoices.closing.close import close_due_hours
from invoices.retention.periods import latest_month
from invoices.tasks import archive_usage
from tests.builders import THE_HOUR, commit, record, report
from tests.invoices.retention.builders import sum_up
from usage.archive import parquet
from usage.models import UsageArchive, UsageRecord

pytestmark = pytest.mark.django_db

DAY = THE_HOUR.replace(hour=0) - dt.timedelta(days=100)
MONTH = f"{latest_month(THE_HOUR):%Y-%m}"


@pytest.fixture
def old_day(acme, folder):
    """A day of long ago with two calls, all of it closed, and a call of the day after."""
    for hours in (0, 23, 24):
        at = DAY + dt.timedelta(hours=hours, minutes=10)
        record(report(f"call-{hours}", occurred_at=at), now=at)
    close_due_hours(now=DAY + dt.timedelta(hours=24, minutes=5))
    sum_up()


def run(command, *arguments):
    """What the command writes."""
    out = io.StringIO()
    call_command(command, *arguments, stdout=out)
    commit()
    return out.getvalue()


def test_a_dry_run_says_what_would_be_moved_and_moves_nothing(old_day, folder):
    said = run("archive_usage", "--before", MONTH, "--dry-run")

    assert f"{DAY:%Y-%m-%d}: 2 records would be moved." in said
    assert "1 records stay: its hours are not all closed." in said
    assert "2 days, of which 1 stay." in said
    assert (UsageRecord.objects.count(), [*folder.iterdir()]) == (3, [])


def test_a_day_is_moved_verified_and_restored(old_day, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    assert "2 records moved to" in run("archive_usage", "--before", MONTH, "--to", elsewhere)
    made = UsageArchive.objects.get()
    assert made.file.startswith(f"{elsewhere}/usage-{DAY:%Y-%m-%d}-")
    assert "The records of 24 hours were read from archives" in run("verify_books")
    assert "2 days" not in run("archive_usage", "--before", MONTH)

    assert made.file in run("restore_usage")
    assert "2 records of" in run("restore_usage", f"{DAY:%Y-%m-%d}")
    assert UsageRecord.objects.count() == 3


def test_the_clock_archives_by_the_setting(old_day, settings):
    archive_usage()
    assert not UsageArchive.objects.exists()

    settings.USAGE_RETENTION_MONTHS = 1  # two stay in any case
    archive_usage()

    assert UsageArchive.objects.get().records == 2


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "records stay for ever"),
        (("--before", "2999-01"), "2 whole months stay"),
        (("--before", "May"), "is not a month"),
        (("--before", MONTH, "--to", "/nowhere"), "is no folder"),
    ],
)
def test_what_cannot_be_archived_is_refused(arguments, problem, old_day):
    with pytest.raises(CommandError, match=problem):
        run("archive_usage", *arguments)


def test_an_archive_without_its_file_is_not_restored(old_day, folder):
    run("archive_usage", "--before", MONTH)
    made = UsageArchive.objects.get()
    (folder / made.file).unlink()

    with pytest.raises(CommandError, match="is not there. Nothing was restored."):
        run("restore_usage", made.file)
    with pytest.raises(CommandError, match="There is no archive of-nothing"):
        run("restore_usage", "of-nothing")

    assert UsageRecord.objects.count() == 1


def test_without_pyarrow_the_command_names_what_to_install(old_day, monkeypatch):
    monkeypatch.setattr(parquet, "pyarrow", None)  # as where it is not installed

    with pytest.raises(CommandError, match="requirements-archive.lock"):
        run("archive_usage", "--before", MONTH)

    assert UsageRecord.objects.count() == 3
