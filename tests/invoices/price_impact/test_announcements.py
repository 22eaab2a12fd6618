"""An offer on many items is taken back in one step."""

import datetime as dt
from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone

from pricing.models import Price, ServiceGroup
from pricing.rules.kinds import Kind
from tests.builders import item, price
from tests.invoices.browsing import text

pytestmark = pytest.mark.django_db

DAY = dt.timedelta(days=1)
TODAY = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
WEEK, LATER = TODAY + 7 * DAY, TODAY + 14 * DAY
OFFER = Kind.LIMITED_TIME_OFFER


def do(client, page, asked):
    url = reverse(page, query={"show": 1, "zone": "UTC", **asked})
    shown = client.get(url)
    assert shown.context["preview"], text(shown)
    sent = {"reason": "Spring sale.", "preview": shown.context["preview"].fingerprint, "confirmed": "yes"}
    return client.post(url, sent, follow=True)


def announce(client, **fields):
    """20 % off all items of General, for a week."""
    group = ServiceGroup.objects.get(name="General")
    begins = {"begins_at": f"{WEEK:%Y-%m-%dT%H:%M}", "ends_at": f"{LATER:%Y-%m-%dT%H:%M}"}
    return do(client, "announce_offer", {"groups": group.pk, "percent_off": "20", **begins, **fields})


def take_back(client):
    page = client.get(reverse("take_back_announcement"))
    choices = page.context["price_form"].fields["announcement"].choices
    (key,) = [key for key, words in choices if words.endswith("Spring sale.")]
    return do(client, "take_back_announcement", {"announcement": key})


def paid(at):
    """What everybody pays for each item at an instant."""
    prices = Price.objects.for_everybody().in_force(at=at).by_precedence()
    return {one.billing_item_id: one.unit_price for one in reversed(prices)}


def test_before_it_begins_all_of_it_is_cancelled_and_what_was_paid_is_paid(operator_client):
    before = paid(WEEK)
    announce(operator_client)
    assert paid(WEEK) != before

    done = take_back(operator_client)

    assert "Done: Take back 10 prices: 0 ended now, 10 cancelled before beginning." in text(done)
    assert paid(WEEK) == before == paid(LATER)
    assert not Price.objects.filter(begins_at=WEEK).exists()


def test_after_it_has_begun_all_of_it_ends_now(operator_client):
    before = paid(TODAY)
    announce(operator_client, begins_now="on")
    assert paid(timezone.now()) != before

    done = take_back(operator_client)

    assert "Done: Take back 10 prices: 10 ended now, 0 cancelled before beginning." in text(done)
    assert paid(timezone.now()) == before == paid(LATER)


def test_offers_of_another_announcement_stay(operator_client):
    price("SenseChat", "output_tokens", "0.001", begins_at=WEEK, kind=OFFER)
    announce(operator_client, groups=[], items=item("SenseChat", "input_tokens").pk)

    take_back(operator_client)

    assert [one.unit_price for one in Price.objects.filter(begins_at=WEEK)] == [Decimal("0.001")]


def test_the_page_of_a_price_leads_to_its_announcement(operator_client):
    announce(operator_client)
    last = Price.objects.filter(begins_at=WEEK).latest("pk")

    shown = operator_client.get(reverse("admin:pricing_price_take_back_this", args=[last.pk]), follow=True)

    form = shown.context["price_form"]
    assert form.initial["announcement"] == form.fields["announcement"].choices[0][0]
    assert "10 prices" not in text(shown)
    assert "and 9 more" in text(shown)
    assert "by operator@sensenova.example: Spring sale." in text(shown)
