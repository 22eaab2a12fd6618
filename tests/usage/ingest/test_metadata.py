import pytest

from pricing.models import ServiceAlias
from tests.builders import alias_from_before, as_json, item, record, report
from usage.ingest.errors import UsageConflict
from usage.models import UsageRecord

pytestmark = pytest.mark.django_db

KEPT = {"model_version": "2026-11", "project": "翻译\t\\N"}


@pytest.mark.parametrize("others", [0, 1], ids=["alone", "in a batch"])
def test_metadata_is_kept_as_sent(acme, others):
    record(report("a", metadata=KEPT), *(report(f"other {n}") for n in range(others)))

    assert UsageRecord.objects.get(event_id="a").metadata == KEPT


def test_a_record_without_metadata_has_none(acme):
    record(report("a"), report("b", metadata={}))

    assert list(UsageRecord.objects.values_list("metadata", flat=True)) == [None, None]


def test_other_metadata_under_a_known_id_is_a_conflict(acme):
    record(report(metadata=KEPT))

    with pytest.raises(UsageConflict) as refused:
        record(report(metadata={"project": "other"}))

    assert [detail["field"] for detail in refused.value.details] == ["metadata"]


BAD = {
    "17 entries": {str(n): "" for n in range(17)},
    "a number": {"a": 1},
    "nested": {"a": {"b": "c"}},
    "a list": ["a"],
    "null": {"a": None},
    "an empty key": {"": "a"},
    "a key of 65": {"k" * 65: "a"},
    "a value of 256": {"a": "v" * 256},
    "NUL in a value": {"a": "\0"},
    "NUL in a key": {"a\0": "a"},
    "half a surrogate pair": {"a": "\ud800"},
}


@pytest.mark.parametrize("metadata", BAD.values(), ids=BAD)
def test_metadata_other_than_short_strings_is_refused(acme, post, metadata):
    answer = post(as_json(report(), metadata=metadata))

    assert answer.status_code == 422
    assert answer.json()["error"]["details"][0]["field"] == "metadata"
    assert not UsageRecord.objects.exists()


def test_an_alias_reports_for_its_service(acme):
    service = item("SenseChat-5", "input_tokens").service
    ServiceAlias.objects.create(alias="gateway/sensechat-5", service=service)

    record(report(service="gateway/sensechat-5"))

    assert UsageRecord.objects.get().service == service


def test_a_record_reported_under_an_alias_is_the_same_record(acme):
    service = item("SenseChat-5", "input_tokens").service
    ServiceAlias.objects.create(alias="gateway/sensechat-5", service=service)

    first, again = record(report()), record(report(service="gateway/sensechat-5"))

    assert (first.accepted, again.duplicates) == (1, 1)


def test_a_service_comes_before_an_alias_of_its_name(acme):
    turbo = item("SenseChat-Turbo", "input_tokens").service
    alias_from_before("SenseChat-5", service=turbo)

    record(report())

    assert UsageRecord.objects.get().service.name == "SenseChat-5"


def test_decimals_beyond_a_microsecond_are_cut_off_not_rounded(acme, post):
    instant = report().occurred_at.replace(minute=59, second=59).isoformat()

    post(as_json(report(), occurred_at=instant.replace("+00:00", ".9999999Z")))

    stored = UsageRecord.objects.get().occurred_at
    assert (stored.minute, stored.second, stored.microsecond) == (59, 59, 999_999)
