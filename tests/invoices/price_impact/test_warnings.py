"""What is said and asked before prices change that may not be meant."""

import datetime as dt
from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone

from pricing.models import Price, Proposal
from pricing.rules.kinds import Kind
from tests.builders import item, price
from tests.invoices.browsing import text

pytestmark = pytest.mark.django_db

DAY = dt.timedelta(days=1)
TODAY = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
WEEK, LATER = TODAY + 7 * DAY, TODAY + 14 * DAY
OFFER = Kind.LIMITED_TIME_OFFER
STEEP = "SenseChat input tokens from 0.012 to 12 RMB/thousand tokens, +99,900 %"


def change(**fields):
    """What the form of a change sends: SenseChat input tokens at 0.01 RMB in a week."""
    asked = {"item": item("SenseChat", "input_tokens").pk, "kind": "list_price", "unit_price": "0.01"}
    return asked | {"unit_size": "1000", "begins_at": f"{WEEK:%Y-%m-%dT%H:%M}"} | fields


def offer(service="SenseChat", **fields):
    """What the form of an offer sends: half the price for a week."""
    asked = {"items": item(service, "input_tokens").pk, "percent_off": "50"}
    return asked | {"begins_at": f"{WEEK:%Y-%m-%dT%H:%M}", "ends_at": f"{LATER:%Y-%m-%dT%H:%M}"} | fields


def address(page, asked):
    return reverse(page, query={"show": 1, "zone": "UTC", **asked})


def preview(client, page, asked):
    return client.get(address(page, asked)).context["preview"]


def send(client, page, asked, **sent):
    seen = preview(client, page, asked).fingerprint
    return client.post(address(page, asked), {"reason": "Meant.", "preview": seen, **sent}, follow=True)


def test_a_price_a_thousand_times_too_high_needs_a_second_confirmation(operator_client):
    asked = change(unit_price="12")

    refused = text(send(operator_client, "change_price", asked))
    done = send(operator_client, "change_price", asked, confirmed="yes")

    assert f"Yes: {STEEP}" in refused
    assert "Nothing was changed. Tick that the figures named below are meant" in refused
    assert "Done: Change SenseChat input tokens to 12" in text(done)
    assert Price.objects.filter(unit_price=12).count() == 1


def test_without_a_second_confirmation_nothing_changes(operator_client):
    send(operator_client, "change_price", change(unit_price="12"))

    assert not Price.objects.filter(unit_price=12).exists()


@pytest.mark.parametrize(
    ("unit_price", "is_asked"),
    [("0.024", False), ("0.0241", True), ("0.006", False), ("0.0059", True), ("0", True)],
)
def test_the_bounds_are_twice_and_half_the_price_and_a_list_price_of_0(operator_client, unit_price, is_asked):
    seen = preview(operator_client, "change_price", change(unit_price=unit_price))

    assert bool(seen.steep) == is_asked


def test_the_bounds_can_be_set(operator_client, settings):
    settings.PRICE_CONFIRM_ABOVE_PERCENT = 20

    assert preview(operator_client, "change_price", change(unit_price="0.015")).steep


def test_a_trial_and_what_resumes_after_an_offer_need_no_second_confirmation(operator_client):
    asked = {**offer(), "percent_off": ""}

    assert preview(operator_client, "start_trial", asked).steep == []
    assert preview(operator_client, "change_price", change(ends_at=f"{LATER:%Y-%m-%dT%H:%M}")).steep == []


def test_a_steep_change_is_confirmed_by_who_proposes_and_by_who_approves(
    operator_client, settings, django_user_model, client
):
    settings.PRICE_CHANGES_NEED_APPROVAL = True
    send(operator_client, "change_price", change(unit_price="12"), confirmed="yes")
    second = django_user_model.objects.create_superuser("second@sensenova.example")
    client.force_login(second, backend="django.contrib.auth.backends.ModelBackend")
    page = reverse("admin:pricing_proposal_change", args=[Proposal.objects.get().pk])
    sent = {"decision": "approved", "preview": client.get(page).context["preview"].fingerprint}

    refused = client.post(page, sent, follow=True)
    assert f"Yes: {STEEP}" in text(refused)
    assert not Price.objects.filter(unit_price=12).exists()

    client.post(page, sent | {"confirmed": "yes"})
    assert Price.objects.filter(unit_price=12).exists()


def test_an_offer_without_an_end_is_warned_about(operator_client):
    seen = preview(operator_client, "announce_offer", offer(ends_at=""))

    assert seen.warnings == [
        "SenseChat: Input tokens: 0.006 RMB/thousand tokens (limited-time offer) has no end."
    ]


def test_a_price_that_is_paid_already_is_warned_about(operator_client):
    seen = preview(operator_client, "change_price", change(unit_price="0.012"))

    assert seen.warnings == [
        "SenseChat: Input tokens: 0.012 RMB/thousand tokens is what is paid already, so nothing changes."
    ]


def test_an_offer_on_an_item_without_a_list_price_says_what_it_is_off(operator_client):
    seen = preview(operator_client, "announce_offer", offer("SenseChat-5"))

    assert (
        "SenseChat-5: Input tokens has no list price: 0.02 RMB/thousand tokens (limited-time offer) is 50 % "
        "off what stands then, 0.04 RMB/thousand tokens (limited-time offer)." in seen.warnings
    )


def test_a_contract_price_above_an_offer_for_everybody_is_warned_about(operator_client, acme):
    price("SenseChat", "input_tokens", "0.008", begins_at=WEEK, ends_at=LATER, kind=OFFER)

    seen = preview(operator_client, "change_price", change(customer="acme"))

    assert seen.warnings == [
        "SenseChat: Input tokens: the contract price of acme, 0.01 RMB/thousand tokens, is dearer than "
        "everybody's, 0.008 RMB/thousand tokens (limited-time offer), "
        f"from {WEEK:%Y-%m-%d %H:%M} until {LATER:%Y-%m-%d %H:%M} UTC."
    ]


def test_an_offer_below_a_contract_price_is_warned_about(operator_client, acme):
    price("SenseChat", "input_tokens", "0.01", begins_at=TODAY, customer=acme)

    (warning,) = preview(operator_client, "announce_offer", offer()).warnings

    assert (
        "the contract price of acme, 0.01 RMB/thousand tokens, is dearer than everybody's, 0.006" in warning
    )


def test_a_contract_price_that_was_dearer_before_is_not_warned_about_again(operator_client, acme):
    price("SenseChat", "input_tokens", "0.02", begins_at=TODAY, customer=acme)

    asked = change(item=item("SenseChat", "output_tokens").pk)

    assert preview(operator_client, "change_price", asked).warnings == []


def test_a_list_price_beneath_an_offer_says_what_becomes_of_the_offer(operator_client):
    price("SenseChat", "input_tokens", "0.006", begins_at=WEEK, ends_at=LATER, kind=OFFER)

    (warning,) = preview(operator_client, "change_price", change(unit_price="0.008")).warnings

    assert "the offer of 0.006 stays" in warning
    assert "With this change it is 25 % off the list price of 0.008, without it 50 % off 0.012." in warning


def test_a_list_price_that_is_cancelled_beneath_an_offer_says_so_too(operator_client):
    send(operator_client, "change_price", change(unit_price="0.008"))
    price("SenseChat", "input_tokens", "0.006", begins_at=WEEK, ends_at=LATER, kind=OFFER)
    cancelled = Price.objects.get(unit_price=Decimal("0.008"))

    asked = {"prices": cancelled.pk, "ends_at": f"{WEEK:%Y-%m-%dT%H:%M}"}

    (warning,) = preview(operator_client, "end_price", asked).warnings
    assert "With this change it is 50 % off the list price of 0.012, without it 25 % off 0.008." in warning
