"""Package products in the admin: previewed, sold for a reason, superseded, ended and cancelled."""

import datetime as dt
from dataclasses import replace

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry
from pricing.changes.apply import apply_rows
from pricing.models import PackageTerms, Proposal, Service, ServiceGroup
from tests.invoices.browsing import staff_client, text
from tests.pricing.changes.packages.test_rows import TOKENS
from tests.querying import get_within

pytestmark = pytest.mark.django_db

DAY = dt.timedelta(days=1)
TODAY = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
WEEK, LATER = TODAY + 7 * DAY, TODAY + 14 * DAY
LIST = "admin:pricing_packageterms_changelist"
CHANGE = "admin:pricing_packageterms_change"


def written(instant):
    """As a browser sends it."""
    return f"{instant:%Y-%m-%dT%H:%M}"


def package(**fields):
    """What the form sends: 10M tokens of SenseChat-5 for a month, at once."""
    sent = {
        "product": "SenseChat-5 10M",
        "method": "tokens_package",
        "services": Service.objects.get(name="SenseChat-5").pk,
        "tokens": "10,000,000",
        "validity": "1",
        "validity_unit": "month",
        "list_price": "400",
        "offer_price": "360.00",
        "rpm": "",
        "tpm": "",
        "weights": "SenseChat-5/output_tokens: 2.5",
        "begins_at": "",
        "ends_at": "",
    }
    return sent | fields


def show(client, page, sent):
    return client.get(reverse(page, query={"show": 1, "zone": "UTC", **sent}))


def do(client, page, sent, reason="The board decided it."):
    """Look at the preview, give the reason and press the button."""
    shown = show(client, page, sent)
    assert shown.context["preview"], text(shown)
    posted = {"reason": reason, "preview": shown.context["preview"].fingerprint}
    return client.post(reverse(page, query={"show": 1, "zone": "UTC", **sent}), posted, follow=True)


def on_sale():
    return list(PackageTerms.objects.order_by("begins_at"))


@pytest.fixture
def sold():
    """SenseChat-5 10M, on sale since a week ago."""
    row = replace(TOKENS, begins_at=TODAY - 7 * DAY, rpm=None, tpm=None)
    apply_rows(rows=[row], by="operator", reason="The first ones.", now=timezone.now())
    return PackageTerms.objects.get()


def test_a_package_is_previewed_before_it_is_sold(operator_client):
    shown = show(operator_client, "sell_package", package())

    assert [change.state for change in shown.context["preview"].changes] == ["new"]
    page = text(shown)
    assert "SenseChat-5 10M: Tokens Quota Package Prepaid" in page
    assert "10,000,000 tokens for 1 month, 360.00 RMB (list price 400.00), covers SenseChat-5" in page
    assert "weights SenseChat-5/output_tokens: 2.5" in page
    assert "Sell SenseChat-5 10M for 360.00 RMB (list price 400.00) at once" in page
    assert on_sale() == []


def test_a_package_is_sold_at_once_for_a_reason(operator_client):
    page = text(do(operator_client, "sell_package", package()))

    (terms,) = on_sale()
    assert "Done: Sell SenseChat-5 10M for 360.00 RMB (list price 400.00) at once." in page
    assert terms.begins_at <= timezone.now()
    assert str(terms.weights.get().weight.normalize()) == "2.5"
    entry = AuditEntry.objects.filter(table="pricing_packageterms").latest("pk")
    assert (entry.by, entry.reason) == ("operator@sensenova.example", "The board decided it.")


def test_without_a_reason_nothing_is_sold(operator_client):
    page = text(do(operator_client, "sell_package", package(), reason=""))

    assert "This field is required" in page or "Give a reason" in page
    assert on_sale() == []


def test_new_terms_say_what_ends_and_what_begins(operator_client, sold):
    shown = show(operator_client, "sell_package", package(begins_at=written(WEEK)))

    assert [change.state for change in shown.context["preview"].changes] == ["changed", "new"]
    assert f"until {WEEK:%Y-%m-%d} 00:00 UTC" in text(shown)
    do(operator_client, "sell_package", package(begins_at=written(WEEK)))
    assert [(one.begins_at, one.ends_at) for one in on_sale()] == [(sold.begins_at, WEEK), (WEEK, None)]


def test_a_package_that_is_wrong_is_refused_in_the_preview(operator_client):
    shown = show(operator_client, "sell_package", package(services=[], weights=""))

    assert "A Tokens product covers at least one service or group." in text(shown)
    assert "Can't apply this change." in text(shown)


WRONG = {
    "a weight that is none": ({"weights": "2"}, "is no weight such as"),
    "no price": ({"list_price": "x"}, "Give digits"),
    "a beginning in the past": ({"begins_at": "2020-01-01T00:00"}, "Terms begin in the future, or at once"),
    "no name": ({"product": ""}, "This field is required."),
}


@pytest.mark.parametrize(("fields", "words"), WRONG.values(), ids=WRONG)
def test_the_form_says_what_is_wrong(fields, words, operator_client):
    assert words in text(show(operator_client, "sell_package", package(**fields)))


def test_a_button_leads_to_new_terms_filled_in_with_those_there_are(operator_client):
    group = ServiceGroup.objects.get(name="General")
    do(operator_client, "sell_package", package(groups=group.pk))
    (terms,) = on_sale()

    answer = operator_client.get(
        reverse("admin:pricing_packageterms_sell_this", args=[terms.pk]), follow=True
    )

    form = answer.context["price_form"]
    known = {
        name: form[name].value() for name in ("product", "tokens", "weights", "offer_price", "begins_at")
    }
    assert known == {
        "product": "SenseChat-5 10M",
        "tokens": "10000000",
        "weights": "SenseChat-5/output_tokens: 2.5",
        "offer_price": "360.00",
        "begins_at": None,
    }
    assert form["groups"].value() == [group.pk]


def test_a_sale_ends_at_once(operator_client, sold):
    page = text(do(operator_client, "end_terms", {"terms": sold.pk, "ends_at": ""}))

    assert "Done: End the sale of SenseChat-5 10M at once." in page
    sold.refresh_from_db()
    assert sold.ends_at <= timezone.now()


def test_a_sale_ends_later(operator_client, sold):
    do(operator_client, "end_terms", {"terms": sold.pk, "ends_at": written(WEEK)})

    sold.refresh_from_db()
    assert sold.ends_at == WEEK


def test_scheduled_terms_are_cancelled_and_what_they_superseded_goes_on(operator_client, sold):
    do(operator_client, "sell_package", package(begins_at=written(WEEK)))

    page = text(do(operator_client, "cancel_terms", {"terms": on_sale()[1].pk}))

    assert "Done: Cancel the terms of SenseChat-5 10M" in page
    assert [(one.pk, one.ends_at) for one in on_sale()] == [(sold.pk, None)]


def test_only_what_is_on_sale_ends_and_only_what_is_scheduled_is_cancelled(operator_client, sold):
    ended = text(show(operator_client, "cancel_terms", {"terms": sold.pk}))
    do(operator_client, "sell_package", package(product="Other", begins_at=written(WEEK)))
    scheduled = PackageTerms.objects.get(product__name="Other")
    cancelled = text(show(operator_client, "end_terms", {"terms": scheduled.pk}))

    assert "Select a valid choice" in ended
    assert "Select a valid choice" in cancelled


def test_where_changes_need_approval_a_sale_at_once_waits_and_begins_then(operator_client, settings, sold):
    settings.PRICE_CHANGES_NEED_APPROVAL = True
    approver = staff_client("view_proposal", "approve_price", "view_packageterms")

    do(operator_client, "sell_package", package())
    assert on_sale() == [sold]
    page = reverse("admin:pricing_proposal_change", args=[Proposal.objects.get().pk])
    before = timezone.now()
    fingerprint = approver.get(page).context["preview"].fingerprint
    approver.post(page, {"decision": "approved", "preview": fingerprint})

    old, new = on_sale()
    assert before <= new.begins_at == old.ends_at <= timezone.now()


def listed(client, **asked):
    answer = client.get(reverse(LIST, query=asked))
    return [str(one.product) for one in answer.context["cl"].result_list]


def test_the_list_tells_what_is_on_sale_scheduled_and_ended(operator_client, sold):
    do(operator_client, "sell_package", package(product="Soon", begins_at=written(WEEK)))
    do(operator_client, "sell_package", package(product="Now"))
    PackageTerms.objects.create(
        product=on_sale()[1].product,
        begins_at=TODAY - 9 * DAY,
        ends_at=TODAY - 8 * DAY,
        list_price=1,
        tokens=1,
    )

    assert listed(operator_client, state="in force") == ["Now", "SenseChat-5 10M"]
    assert listed(operator_client, state="scheduled") == ["Soon"]
    assert len(listed(operator_client, state="ended")) == 1
    assert len(listed(operator_client, q="General")) == 0
    page = text(operator_client.get(reverse(LIST)))
    assert all(word in page for word in ("on sale", "scheduled", "ended", "360.00 RMB (list price 400.00)"))


def test_the_list_reads_no_terms_by_themselves(operator_client):
    for number in range(5):
        do(operator_client, "sell_package", package(product=f"Package {number}"))

    page = get_within(operator_client, reverse(LIST), queries=16)

    assert len(page.context["cl"].result_list) == 5


def test_an_empty_list_says_what_appears_there(operator_client):
    assert "Put one on sale with the button" in text(operator_client.get(reverse(LIST)))


def test_terms_are_read_and_their_history_is_the_audit_trail(operator_client, sold):
    page = text(operator_client.get(reverse(CHANGE, args=[sold.pk])))
    history = operator_client.get(reverse("admin:pricing_packageterms_history", args=[sold.pk]), follow=True)

    assert "10,000,000 tokens for 1 month" in page
    assert "the usual ones" in page
    assert history.status_code == 200
    assert operator_client.post(reverse(CHANGE, args=[sold.pk]), {"list_price": "1"}).status_code == 403


def test_a_viewer_reads_products_and_cannot_change_them(sold):
    viewer = staff_client("view_packageterms")

    assert "Put a package on sale" not in text(viewer.get(reverse(LIST)))
    assert viewer.get(reverse("sell_package")).status_code == 403
