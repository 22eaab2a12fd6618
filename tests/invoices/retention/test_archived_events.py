"""An archived event stays unique for ever: sent again it is a duplicate, or a conflict, as it was before."""

import json

import pytest
from django.test import Client

from tests.builders import at, record, report
from tests.invoices.retention.builders import archive, restore, reverse
from usage.ingest.errors import NotReversible, UsageConflict
from usage.ingest.payload import ArrivalReport
from usage.ingest.record import Receipt, record_each
from usage.models import UsageRecord

pytestmark = pytest.mark.django_db


def sent(*reports):
    """What each is answered that shares a commit, in words for errors."""
    outcomes = record_each(reports=reports, now=at(150))
    return [
        one if isinstance(one, Receipt) else [detail["field"] for detail in one.details] for one in outcomes
    ]


SAME = report("call-2", metadata={"project": "blue"})
NEW, DUPLICATE = Receipt(accepted=1, duplicates=0), Receipt(accepted=0, duplicates=1)


def test_a_batch_with_archived_events_stores_only_the_new_ones(books):
    archive()

    receipt = record(report("call-1"), SAME, report("new"), now=at(150))

    assert receipt == Receipt(accepted=1, duplicates=2)
    assert [*UsageRecord.objects.values_list("event_id", flat=True)] == ["new"]


def test_an_archived_event_with_other_content_is_a_conflict_and_nothing_is_stored(books):
    archive()

    with pytest.raises(UsageConflict) as refused:
        record(report("call-1", input_tokens=7), report("new"), now=at(150))

    (detail,) = refused.value.details
    assert (detail["index"], detail["event_id"], detail["field"]) == (0, "call-1", "content")
    assert detail["stored"].startswith("archived, SHA-256 ")
    assert not UsageRecord.objects.exists()


@pytest.mark.parametrize(
    ("fields", "differing"),
    [
        ({"occurred_at": at(11)}, ["occurred_at"]),
        ({"service": "SenseChat"}, ["content"]),
        ({"metadata": None}, ["content"]),
        ({"metadata": {"project": "red"}}, ["content"]),
        ({"outcome": "failed"}, ["content"]),
        ({"output_tokens": 1, "occurred_at": at(11)}, ["occurred_at", "content"]),
    ],
)
def test_each_part_of_the_content_counts(fields, differing, books):
    archive()

    kept = {"metadata": {"project": "blue"}} | fields
    assert sent(report("call-2", **kept), report("new"), SAME) == [differing, NEW, DUPLICATE]


def test_a_report_without_a_time_is_a_duplicate_whenever_it_arrives(books):
    archive()
    again = ArrivalReport(
        event_id="call-1", customer="acme", service="SenseChat-5", occurred_at=at(149),
        input_tokens=1000, output_tokens=500,
    )  # fmt: skip

    assert sent(again) == [DUPLICATE]


def test_the_same_id_of_another_customer_is_another_event(books):
    archive()

    assert sent(report("call-2", customer="globex"), report("call-3", customer="globex")) == [NEW, NEW]


def test_the_answers_over_http_are_those_before_the_archive(books, service_key):
    bodies = [{"input_tokens": 1000}, {"input_tokens": 5}]

    def answers():
        return [post(service_key, **fields) for fields in bodies]

    before = answers()
    archive()

    assert [status for status, _ in answers()] == [status for status, _ in before] == [200, 409]
    assert answers()[0] == before[0] == (200, {"accepted": 0, "duplicates": 1})


def post(key, **fields):
    """Report call-1 once more, with other fields."""
    call = {
        "event_id": "call-1", "customer": "acme", "service": "SenseChat-5",
        "occurred_at": at(10).isoformat(), "output_tokens": 500,
    }  # fmt: skip
    answer = Client().post(
        "/api/v1/usage",
        json.dumps(call | fields),
        content_type="application/json",
        headers={"authorization": f"Bearer {key}"},
    )
    return answer.status_code, answer.json()


def test_an_archived_record_is_reversed_only_once_it_is_restored(books):
    made = archive()

    with pytest.raises(NotReversible) as refused:
        reverse("call-1")
    assert (
        refused.value.details[0]["reason"] == "the record is archived; it can be reversed once it is restored"
    )

    restore(made)
    assert reverse("call-1").reverses == "call-1"
