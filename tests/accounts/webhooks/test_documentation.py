"""docs/webhooks.md says what is sent, how it is verified and when it comes again."""

import datetime as dt
import json
import re
from decimal import ROUND_UP, Decimal
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from accounts.models import EventKind, WebhookEvent
from accounts.webhooks.delivery import PAUSES
from accounts.webhooks.endpoints import send_test
from accounts.webhooks.events import OFFERED, body_of, emit_event
from invoices.account.balance_rules import apply_balance_rules
from invoices.account.position import positions_of
from invoices.einvoices.requests import record_red_letter, refuse_einvoice
from invoices.packages.after_sale.notices import find_notices
from invoices.portal.price_notices import notify_of_price_changes
from pricing.models import Price, Service
from sensenova_billing.lib import clock
from tests.accounts.webhooks.builders import ALICE, endpoint, send_due, suspended
from tests.builders import at, close, item, price, record
from tests.invoices.account.builders import charge
from tests.invoices.budgets.builders import budget
from tests.invoices.einvoices.builders import CLERK, ISSUED_ON, issued, requested, with_tax_data
from tests.invoices.statements.builders import booked, issue_statement
from tests.packages import bill, buy, draw
from tests.tables import table
from usage.billing_hours import hour_of
from usage.limits.notices.often_reached import notify_of_limits
from usage.limits.stores.windows import Refusal
from usage.models import RefusedCalls

pytestmark = pytest.mark.django_db

PAGE = Path(settings.BASE_DIR, "docs", "webhooks.md").read_text(encoding="utf-8")
EXAMPLES = {
    message["type"]: message for message in map(json.loads, re.findall(r"```json\n(.*?)```", PAGE, re.S))
}
(VERIFYING,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)


def described(value):
    """A value without what differs from event to event."""
    if isinstance(value, dict):
        return {name: described(one) for name, one in value.items()}
    if isinstance(value, list):
        return [described(one) for one in value]
    return re.sub(r"\d+", "0", value) if isinstance(value, str) else type(value)


@pytest.fixture
def sent(acme):
    """An event of each kind that is offered, as it is sent."""
    made = endpoint(acme, "http://127.0.0.1/hooks", kinds=[kind.value for kind in OFFERED])
    record()
    close()
    budget(acme, "0.01", period="month", now=at(59))
    package = buy(acme)
    find_notices(now=package.expires_at - dt.timedelta(days=7))
    draw(package, 800_000, of=bill(acme))
    find_notices(now=at(70))
    issue_statement(acme)
    booked(acme)
    follow_balance_rules(acme)
    change_a_price(acme)
    reach_limits(acme)
    decide_on_einvoices(acme)
    emit_event(customer=acme, kind=EventKind.CUSTOMER_RESUMED, payload={}, key="1", now=clock.now())
    send_test(endpoint=made, by=ALICE, now=clock.now())
    return {event.kind: json.loads(body_of(event)) for event in WebhookEvent.objects.order_by("-pk")}


def change_a_price(acme):
    """The input of the service that Acme used is going to cost more."""
    changes_at = at(0) + dt.timedelta(days=5)
    fields = {"unit_size": 1000, "kind": "limited_time_offer"}
    Price.objects.filter(billing_item=item("SenseChat-5", "input_tokens"), ends_at=None).update(
        ends_at=changes_at
    )
    price("SenseChat-5", "input_tokens", "0.06", begins_at=changes_at, **fields)
    notify_of_price_changes(now=at(0))


def reach_limits(acme):
    """Many calls were refused in this hour."""
    now, service = clock.now(), Service.objects.get(name="SenseChat-5")
    RefusedCalls.objects.create(
        customer=acme, service=service, hour=hour_of(now), refusal=Refusal.RPM, calls=400
    )
    notify_of_limits(now=now)


def decide_on_einvoices(acme):
    """A request of Acme's statement is refused, another one issued and reversed."""
    statement = with_tax_data(acme).statements.get()
    refuse_einvoice(request=requested(acme, statement), reason="Wrong name.", by=CLERK, now=at(11))
    red: dict[str, Any] = {"number": "2" * 20, "date": ISSUED_ON, "reason": "Wrong name."}
    record_red_letter(request=issued(requested(acme, statement)), **red, by=CLERK, now=at(12))


def follow_balance_rules(acme):
    """Acme is overdue and warned, has little left, and is beyond its limit in the end."""
    now = at(0) + dt.timedelta(days=8)
    charge(acme, "1000", at=at(5))
    owed = -positions_of([acme], now=now)[acme.pk].available
    limit = owed.quantize(Decimal("0.01"), ROUND_UP) + Decimal("0.01")
    for credit_limit in (limit, 0):
        terms = {"due_days": 0, "grace_days": 30, "notice_days": 30, "low_balance_hours": 48}
        type(acme).objects.filter(pk=acme.pk).update(**terms, credit_limit=credit_limit)
        apply_balance_rules(now=now)


def test_each_type_that_is_sent_is_in_the_table(sent):
    listed = [row[0].strip("`") for row in table("webhooks.md", "type", "sent when")]

    assert sorted(listed) == sorted(sent)
    assert sorted(set(EventKind.values) - set(listed)) == sorted(
        name for name in re.findall(r"`(\w+\.\w+)`", PAGE) if name in set(EventKind.values) - set(listed)
    )


@pytest.mark.parametrize("kind", EXAMPLES)
def test_a_payload_is_as_the_example_shows(sent, kind):
    assert described(sent[kind]) == described(EXAMPLES[kind])


def test_the_others_hold_the_customer_alone(sent):
    others = {kind: message["data"] for kind, message in sent.items() if kind not in EXAMPLES}

    assert others == dict.fromkeys(["customer.resumed", "webhook.test"], {"customer": "acme"})


def test_a_delivery_is_verified_by_the_code_of_the_page(acme, receiver):
    made = endpoint(acme, receiver.url)
    suspended(acme)
    send_due()
    code: dict[str, Any] = {"SECRET": made.secret}
    exec(VERIFYING, code)

    (received,) = receiver.received

    assert code["take"](received.headers, received.body)["type"] == "customer.suspended"
    with pytest.raises(code["WebhookVerificationError"]):
        code["take"](received.headers, received.body + " ")


def test_the_retries_are_those_of_the_table():
    spans = [dt.timedelta(**{unit: int(number)}) for number, unit in (row[1].split() for row in rows())]

    assert tuple(spans) == PAUSES
    assert [row[0] for row in rows()] == [str(number) for number in range(1, len(PAUSES) + 1)]


def rows():
    return table("webhooks.md", "retry", "after")
