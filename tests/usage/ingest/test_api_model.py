"""The door against a plain Python model of it: whatever is sent, in whatever order, both hold the same.

Each run has the database to itself, in a transaction that is rolled back.
"""

import datetime as dt
import json
import os
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import Sum
from django.test import Client
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from accounts.api_keys.keys import issue_service_key
from accounts.models import Customer
from invoices.models import ChargeLine, HourlyBill
from tests.builders import THE_HOUR, at, close
from usage.models import HOUR, BillingHour, UsageRecord

RUNS = {"soak": 2000}.get(os.environ.get("HYPOTHESIS_PROFILE", ""), 10)
STEPS = 30
MEASURES = ("input_tokens", "output_tokens", "input_characters")
# What each of these services charges for.
SOLD = {"SenseChat-5": {"input_tokens", "output_tokens"}, "nova-tts-1": {"input_characters"}}

quantities = st.one_of(st.integers(0, 3), st.sampled_from([2**31, 2**53 - 1, 2**53]))
# Few ids, so that they meet; some that differ only in what a careless comparison would overlook.
event_ids = st.sampled_from(["a", "A", "a ", "é", "e\u0301", "\\N", "\u00a0", "ａ", "b", "c", "d", "€" * 255])
metadata: st.SearchStrategy[dict[str, str]] = st.one_of(
    st.just({}),
    st.dictionaries(
        st.text("abß\\\"' ", min_size=1, max_size=3), st.text("xy\t\\\u20ac", max_size=3), max_size=3
    ),
)


@st.composite
def calls(draw):
    """A record that the door takes, as a sender writes it."""
    service = draw(st.sampled_from(sorted(SOLD)))
    call = {
        "event_id": draw(event_ids),
        "customer": draw(st.sampled_from(["acme", "globex"])),
        "service": service,
        "occurred_at": at(draw(st.integers(0, 59)), hour=draw(st.integers(0, 2))).isoformat(),
        **{measure: draw(quantities) for measure in sorted(SOLD[service])},
    }
    kept = draw(metadata)
    return {**call, "metadata": kept} if kept else call


# What is wrong with a record, and the field that is named.
FAULTS: dict[str, dict[str, Any]] = {
    "customer": {"customer": "nobody"},
    "service": {"service": "no such service"},
    "event_id": {"event_id": ""},
    "occurred_at": {"occurred_at": (THE_HOUR - dt.timedelta(days=36)).isoformat()},
    "input_tokens": {"input_tokens": -1},
    "output_tokens": {"output_tokens": 2**53 + 1},
    "input_characters": {"input_characters": 1.0},
    "metadata": {"metadata": {"user": 7}},
}


def content_of(call):
    """What has to be the same when the id is the same."""
    return (
        call["service"],
        dt.datetime.fromisoformat(call["occurred_at"]),
        *(call.get(measure, 0) for measure in MEASURES),
        call.get("metadata"),
    )


class Door(RuleBasedStateMachine):
    """Posts to the door and to the model."""

    sent = Bundle("sent")

    def __init__(self):
        super().__init__()
        # Closing is a transaction of its own: Django lets it run inside another only if that is a test's.
        self.stage = transaction.atomic()
        self.stage._from_testcase = True  # type: ignore[attr-defined]
        self.stage.__enter__()
        Customer.objects.create(code="acme", name="Acme Ltd")
        Customer.objects.create(code="globex", name="Globex GmbH")
        self.key = issue_service_key(name="chat-gateway-1")[1]
        self.stored = {}  # (customer, event id): content and billing hour
        self.closed = 0  # hours, from the first with a record
        self.begins_at: dt.datetime | None = None

    def teardown(self):
        transaction.set_rollback(True)
        self.stage.__exit__(None, None, None)
        assert not Customer.objects.filter(code="acme").exists()

    # --- What happens ---

    @initialize(target=sent, call=calls())
    def first(self, call):
        self.post_and_compare([call], single=True)
        return call

    @rule(target=sent, call=calls())
    def post_one(self, call):
        self.post_and_compare([call], single=True)
        return call

    @rule(call=sent)
    def send_again(self, call):
        self.post_and_compare([call], single=True)

    @rule(call=sent, measure=st.sampled_from(["input_tokens", "output_tokens"]), more=st.integers(1, 5))
    def send_other_content(self, call, measure, more):
        if measure in SOLD[call["service"]]:
            self.post_and_compare([{**call, measure: (call[measure] + more) % 2**53}], single=True)

    @rule(call=sent)
    def send_other_metadata(self, call):
        self.post_and_compare([{**call, "metadata": {"model": "another"}}], single=True)

    @rule(
        target=sent,
        new=st.lists(calls(), min_size=1, max_size=6),
        old=st.lists(sent, max_size=4),
        seed=st.randoms(use_true_random=False),
    )
    def post_batch(self, new, old, seed):
        batch = [*new, *old]
        seed.shuffle(batch)
        self.post_and_compare(batch)
        return multiple(*new)

    @rule(
        good=st.lists(calls(), max_size=4),
        call=calls(),
        faults=st.lists(st.sampled_from(sorted(FAULTS)), min_size=1, max_size=3),
    )
    def post_batch_with_bad_ones(self, good, call, faults):
        bad = [{**call, **FAULTS[fault]} for fault in faults]
        response = self.post([*good, *bad])
        assert response.status_code == 422
        named = [(one["index"], one["field"]) for one in response.json()["error"]["details"]]
        # What cannot be decoded is named before what cannot be resolved.
        assert named
        assert {*named} <= {(len(good) + place, fault) for place, fault in enumerate(faults)}

    @rule()
    def close_the_next_hour(self):
        if self.begins_at is None or self.closed == 3:
            return
        hour = self.begins_at + self.closed * HOUR
        made = close(hour=(hour - THE_HOUR) // HOUR)
        self.closed += 1
        assert made.records == sum(billed == hour for _, billed in self.stored.values())

    # --- What has to hold ---

    @invariant()
    def the_database_holds_what_the_model_holds(self):
        rows = UsageRecord.objects.values_list(
            "customer__code",
            "event_id",
            "billing_hour",
            "service__name",
            "occurred_at",
            *MEASURES,
            "metadata",
        )
        held = {(code, event_id): (tuple(content), hour) for code, event_id, hour, *content in rows}
        assert held == self.stored
        assert BillingHour.objects.count() == self.closed

    @invariant()
    def what_is_closed_is_billed(self):
        closed = {self.begins_at + n * HOUR for n in range(self.closed)} if self.begins_at else set()
        owed: dict[tuple[Any, ...], int] = {}
        for (customer, _), (content, hour) in self.stored.items():
            if hour in closed:
                for measure, quantity in zip(MEASURES, content[2:5], strict=True):
                    if quantity:
                        key = (customer, hour, content[0], measure)
                        owed[key] = owed.get(key, 0) + quantity
        lines = (
            ChargeLine.objects.values_list("bill__customer_code", "bill__hour_id", "service_name", "measure")
            .annotate(total=Sum("quantity"))
            .filter(total__gt=0)
        )
        assert {tuple(line): total for *line, total in lines} == owed
        billed = HourlyBill.objects.aggregate(records=Sum("records"))["records"] or 0
        assert billed == sum(hour in closed for _, hour in self.stored.values())

    # --- Both sides ---

    def post(self, body):
        return Client().post(
            "/api/v1/usage",
            json.dumps(body),
            content_type="application/json",
            headers={"Authorization": f"Bearer {self.key}"},
        )

    def post_and_compare(self, batch, *, single=False):
        expected = self.model(batch)
        response = self.post(batch[0] if single else batch)
        if expected == "conflict":
            assert response.status_code == 409, response.content
            assert response.json()["error"]["code"] == "conflicting_usage"
        else:
            assert response.status_code == 200, response.content
            assert response.json() == dict(zip(("accepted", "duplicates"), expected, strict=True))

    def model(self, batch):
        """Take the batch, whole or not at all, and say what the door has to answer."""
        after = dict(self.stored)
        for call in batch:
            key, content = (call["customer"], call["event_id"]), content_of(call)
            if after.setdefault(key, (content, self.billing_hour(content[1])))[0] != content:
                return "conflict"
        accepted = len(after) - len(self.stored)
        self.stored = after
        if not self.closed:
            self.begins_at = min((hour for _, hour in after.values()), default=None)
        return accepted, len(batch) - accepted

    def billing_hour(self, occurred_at):
        own = occurred_at.replace(minute=0)
        if self.begins_at is None or not self.closed:
            return own
        return max(own, self.begins_at + self.closed * HOUR)


@pytest.mark.long
@pytest.mark.django_db(transaction=True)
def test_the_door_does_what_its_model_does(unbounded):
    connection.ensure_connection()
    run_state_machine_as_test(
        Door,
        settings=settings(
            max_examples=RUNS,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
