"""Seals are kept outside the database once, in order, whatever happens half-way; forged ones are seen."""

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError

from invoices.models import HourSeal, SealPublication
from invoices.monitoring.alarms import state_of_closing
from invoices.seals.publish import SealDiffers, publish_seals
from invoices.seals.seal_list import UnreadableList, hour_text, read_list
from invoices.tasks import publish_seals as publish_seals_task
from sensenova_billing.checks import check_seals
from tests.builders import THE_HOUR, at, close
from tests.invoices.books.builders import alter, keep_books

pytestmark = pytest.mark.django_db


@pytest.fixture
def seals_file(tmp_path, settings):
    """The file that the settings name."""
    settings.SEALS_FILE = str(tmp_path / "seals.csv")
    return tmp_path / "seals.csv"


@pytest.fixture
def bucket(tmp_path, settings):
    """A storage for objects, which is a directory."""
    options = {"location": str(tmp_path / "bucket")}
    backend = "django.core.files.storage.FileSystemStorage"
    settings.STORAGES = settings.STORAGES | {"seals": {"BACKEND": backend, "OPTIONS": options}}
    return tmp_path / "bucket"


def stored():
    """What the database has, as a list has it."""
    return [f"{hour_text(seal.hour_id)},{seal}" for seal in HourSeal.objects.order_by("hour_id")]


def forge(hour=0):
    """Another seal for an hour, in the database."""
    alter(
        "invoices_hourseal",
        "sha256 = decode(repeat('ab', 32), 'hex')",
        where=f"hour_id = '{at(0, hour=hour)}'",
    )


def alarm():
    """How the alarm stands after the second hour has closed, if there is one."""
    alarms = {one.name: (str(one.level), one.text) for one in state_of_closing(now=at(10, hour=2)).alarms}
    return alarms.get("seals")


# --- A file ----------------------------------------------------------------------------------------


def test_each_closed_hour_is_a_line_of_the_file(acme, seals_file):
    keep_books()

    assert publish_seals(now=at(10, hour=2)) == 2
    assert seals_file.read_text().splitlines() == ["hour,sha256", *stored()]


def test_what_is_kept_is_not_kept_again(acme, seals_file):
    keep_books()
    publish_seals(now=at(10, hour=2))

    assert publish_seals(now=at(11, hour=2)) == 0
    close(hour=2)
    assert publish_seals(now=at(10, hour=3)) == 1
    assert seals_file.read_text().splitlines()[1:] == stored()


def test_a_line_that_was_cut_off_is_followed_by_the_whole_one(acme, seals_file):
    keep_books()
    publish_seals(now=at(10, hour=2))
    seals_file.write_text(seals_file.read_text()[:-40])

    publish_seals(now=at(11, hour=2))

    lines = seals_file.read_text().splitlines()
    assert len(lines) == 4
    assert [f"{hour_text(hour)},{sha256}" for hour, sha256 in read_list(lines)] == stored()


def test_a_new_place_gets_every_seal(acme, seals_file, settings, tmp_path):
    keep_books()
    publish_seals(now=at(10, hour=2))
    settings.SEALS_FILE = str(tmp_path / "another.csv")

    assert publish_seals(now=at(11, hour=2)) == 2


def test_without_a_place_nothing_is_kept_and_nothing_rings(acme):
    keep_books()
    publish_seals_task()

    assert alarm() is None
    assert not SealPublication.objects.exists()


def test_the_task_logs_how_many_it_kept(acme, seals_file, caplog):
    keep_books()

    with caplog.at_level("INFO"):
        publish_seals_task()

    assert "Kept the seals of 2 hours outside the database" in caplog.messages


# --- An object store -------------------------------------------------------------------------------


def test_each_closed_hour_is_an_object(acme, bucket):
    keep_books()

    assert publish_seals(now=at(10, hour=2)) == 2
    names = sorted(file.name for file in bucket.rglob("*.csv"))
    assert names == [f"{at(0, hour=hour):%Y%m%dT%HZ}.csv" for hour in range(2)]


def test_objects_are_continued_after_the_newest(acme, bucket):
    keep_books()
    publish_seals(now=at(10, hour=2))
    close(hour=2)

    assert publish_seals(now=at(10, hour=3)) == 1
    (newest,) = bucket.rglob(f"{at(0, hour=2):%Y%m%dT%HZ}.csv")
    assert newest.read_text().splitlines() == ["hour,sha256", stored()[-1]]


def test_a_directory_of_objects_is_a_list(acme, bucket, capsys):
    keep_books()
    publish_seals(now=at(10, hour=2))

    call_command("verify_books", seals=bucket)

    assert "Compared with 2 seals" in capsys.readouterr().out


# --- What does not agree ---------------------------------------------------------------------------


def test_a_seal_that_was_rewritten_stops_the_list_and_rings(acme, seals_file):
    keep_books()
    publish_seals(now=at(10, hour=2))
    forge(hour=1)
    close(hour=2)

    with pytest.raises(SealDiffers, match="another seal there"):
        publish_seals(now=at(10, hour=3))
    level, text = alarm()
    assert level == "alarm"
    assert "has another seal there than in the database" in text
    assert len(seals_file.read_text().splitlines()) == 3


def test_a_restored_database_stops_the_list(acme, seals_file):
    seals_file.write_text(f"hour,sha256\n{hour_text(at(0, hour=9))},{'ab' * 32}\n")
    keep_books()

    with pytest.raises(SealDiffers, match="none in the database"):
        publish_seals(now=at(10, hour=2))


def test_a_place_that_cannot_be_written_rings_until_it_can(acme, settings, tmp_path):
    settings.SEALS_FILE = str(tmp_path / "missing" / "seals.csv")
    keep_books()

    for minute in (10, 11):
        with pytest.raises(FileNotFoundError):
            publish_seals(now=at(minute, hour=2))
    level, text = alarm()
    assert level == "alarm"
    assert text.startswith(f"Since {at(10, hour=2):%Y-%m-%d %H:%M} UTC no seal")

    (tmp_path / "missing").mkdir()
    publish_seals(now=at(12, hour=2))
    assert alarm() == (
        "ok",
        f"Seals are kept outside the database, the last of the hour {at(0, hour=1):%Y-%m-%d %H:%M} UTC.",
    )


def test_a_list_that_stays_behind_rings(acme, seals_file):
    keep_books()
    publish_seals(now=at(10, hour=2))
    close(hour=2)
    close(hour=3)

    assert alarm()[0] == "warning"


def test_before_anything_is_kept_it_is_not_known(acme, seals_file):
    assert alarm() == ("unknown", "No hour is closed yet.")
    keep_books()
    assert alarm() == ("unknown", "No seal is kept outside the database yet.")


def test_a_failure_has_a_time_and_a_reason(db):
    with pytest.raises(IntegrityError, match="a_publication_that_fails_says_since_when_and_why"):
        SealPublication.objects.create(place="seals.csv", error="full")


def test_two_places_are_refused(settings):
    settings.SEALS_FILE, settings.SEALS_STORAGE = "seals.csv", "storages.backends.s3.S3Storage"

    assert [one.id for one in check_seals()] == ["billing.E011"]


# --- Verifying -------------------------------------------------------------------------------------


def findings(capsys, *arguments):
    """What the command finds, one line each, and its last line."""
    with pytest.raises(CommandError):
        call_command("verify_books", *arguments)
    return [line for line in capsys.readouterr().out.splitlines() if line.startswith("chain:")]


def test_an_hour_that_was_rewritten_with_all_its_seals_is_found(acme, seals_file, capsys):
    keep_books()
    first, second = stored()
    seals_file.write_text(f"hour,sha256\n{first[:-64]}{'0' * 64}\n{second}\n")

    (found,) = findings(capsys, "--seals", str(seals_file))
    assert "its seal is not the one that was kept outside" in found
    assert f"{THE_HOUR:%Y-%m-%d %H:%M}" in found


def test_an_hour_that_is_no_longer_closed_is_found(acme, seals_file, capsys):
    keep_books()
    seals_file.write_text(
        "\n".join(["hour,sha256", *stored(), f"{hour_text(at(0, hour=2))},{'ab' * 32}", ""])
    )

    (found,) = findings(capsys, "--seals", str(seals_file))
    assert "has a seal that was kept outside, and is not closed here" in found


def test_a_line_that_was_taken_out_of_the_list_is_found(acme, seals_file, capsys):
    keep_books()
    close(hour=2)
    first, _, last = stored()
    seals_file.write_text(f"{first}\n{last}\n")

    (found,) = findings(capsys, "--seals", str(seals_file))
    assert "its seal is missing among those that were kept outside" in found


def test_only_hours_of_the_span_are_compared(acme, seals_file):
    keep_books()
    first, second = stored()
    seals_file.write_text(f"{first[:-64]}{'0' * 64}\n{second}\n")

    call_command("verify_books", "--from", hour_text(at(0, hour=1)), "--seals", str(seals_file))


@pytest.mark.parametrize(
    "content", ["", "hour,sha256\n", "no list\n2026-11-30T01:00:00Z,ab\n", b"\xff\xfe\x00"]
)
def test_a_file_that_is_no_list_is_refused(acme, seals_file, content):
    seals_file.write_bytes(content if isinstance(content, bytes) else content.encode())

    with pytest.raises(CommandError) as refused:
        call_command("verify_books", "--seals", str(seals_file))
    assert refused.value.returncode == 2


def test_a_line_that_is_none_is_named():
    with pytest.raises(UnreadableList, match="Line 2"):
        list(read_list(["hour,sha256", "2026-11-30T01:30:00Z,ab", "2026-11-30T02:00:00Z," + "ab" * 32]))
