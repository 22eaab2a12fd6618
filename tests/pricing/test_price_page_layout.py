"""The public price page, and prices in the admin."""

import datetime as dt
import re
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from pricing.models import BillingItem, CallSpecification, Price, PriceKind, Service, ServiceGroup
from tests.builders import item, price

pytestmark = pytest.mark.django_db

SOURCE = [
    ["Service", "Billing Item", "Unit Price", "Billing Item", "Unit Price"],
    [
        "SenseChat-5 Model Call",
        "Input tokens",
        "0.04 RMB/thousand tokens (limited time offer)",
        "Output tokens",
        "0.1 RMB/thousand tokens",
    ],
    [
        "SenseChat Model Call",
        "Input tokens",
        "0.012 RMB/thousand tokens",
        "Output tokens",
        "0.012 RMB/thousand tokens",
    ],
    [
        "SenseChat-32K Model Call",
        "Input tokens",
        "0.036 RMB/thousand tokens",
        "Output tokens",
        "0.036 RMB/thousand tokens",
    ],
    [
        "SenseChat-128K Model Call",
        "Input tokens",
        "0.06 RMB/thousand tokens",
        "Output tokens",
        "0.06 RMB/thousand tokens",
    ],
    [
        "SenseChat-Turbo Model Call",
        "Input tokens",
        "0.002 RMB/thousand tokens (limited time offer)",
        "Output tokens",
        "0.005 RMB/thousand tokens",
    ],
    ["Service", "Billing Item", "Unit Price"],
    ["SenseChat-5-Cantonese Model Call", "Input tokens, Output tokens", "0.027 RMB/thousand tokens"],
    ["Service", "Billing Item", "Unit Price"],
    ["SenseChat-Vision Model Call", "Input tokens, Output tokens", "Free trial for a limited time"],
    ["Service", "Billing Item", "Unit Price"],
    ["nova-tts-1 Model Call", "Input characters", "Free trial for a limited time"],
    ["Service", "Billing Item", "Unit Price"],
    ["nova-embedding-stable Model Call", "Input tokens", "0.0005 RMB/thousand tokens"],
    ["Service", "Billing Item", "Unit Price"],
    ["SenseChat-Character-Pro Model Call", "Input tokens, Output tokens", "0.015 RMB/thousand tokens"],
    ["SenseChat-Character Model Call", "Input tokens, Output tokens", "0.012 RMB/thousand tokens"],
]


def page():
    answer = Client().get(reverse("prices"))
    assert answer.status_code == 200
    return answer.content.decode()


def words(html):
    return " ".join(unescape(re.sub(r"<[^>]*>", "", html)).split())


def rows(html):
    tables = "".join(re.findall(r'<table class="prices">.*?</table>', html, re.DOTALL))
    return [
        [words(cell) for cell in re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL)]
        for row in re.findall(r"<tr>.*?</tr>", tables, re.DOTALL)
    ]


def test_the_tables_are_those_of_the_source_page_row_by_row():
    assert rows(page()) == SOURCE


def test_the_headings_come_in_the_order_of_the_source_page():
    found = [words(heading) for heading in re.findall(r"<h[23].*?</h[23]>", page(), re.DOTALL)]

    assert found == [
        "Overview",
        "SenseNova LLM",
        "General",
        "General - Cantonese Version",
        "SenseNova Multimodal Large Model",
        "SenseNova TTS Model",
        "SenseNova Embedding Model",
        "SenseNova Role-play Model",
        "Calculator",
        "Default call specifications",
    ]


def test_default_call_limits_say_where_none_is_stated():
    text = words(page())

    assert "SenseChat-5 60 128,000" in text.replace("SenseChat-560", "SenseChat-5 60").replace(
        "60128", "60 128"
    )
    assert "none stated" in text


def test_an_offer_strikes_out_the_list_price_that_it_undercuts():
    price("SenseChat-5", "input_tokens", "0.05", begins_at=timezone.now())

    assert '<s class="unbroken" title="list price">0.05 RMB/thousand tokens</s>' in page()


def test_a_price_of_one_customer_is_not_on_the_page(acme):
    price("SenseChat", "input_tokens", "0.00777", begins_at=timezone.now(), customer=acme)

    assert "0.00777" not in page()


MIDNIGHT = dt.datetime(2099, 12, 1, tzinfo=dt.timezone(dt.timedelta(hours=8)))  # in Shanghai
A_WEEK = dt.timedelta(days=7)
OFFER: dict[str, Any] = {"begins_at": MIDNIGHT, "kind": PriceKind.LIMITED_TIME_OFFER}


def changes(html):
    table = re.search(r'id="upcoming".*?</section>', html, re.DOTALL)
    rows = re.findall(r"<tr>.*?</tr>", table[0] if table else "", re.DOTALL)
    return [[words(cell) for cell in re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL)] for row in rows[1:]]


def test_a_price_that_begins_later_is_announced_at_its_item():
    price("SenseChat", "input_tokens", "0.00777", **OFFER)

    row = next(row for row in rows(page()) if row[0] == "SenseChat Model Call")

    assert row[2] == (
        "0.012 RMB/thousand tokens From 2099-12-01 00:00: 0.00777 RMB/thousand tokens (limited time offer)"
    )


def test_all_changes_that_are_planned_are_listed_soonest_first():
    price("SenseChat", "input_tokens", "0.007", ends_at=MIDNIGHT + A_WEEK, **OFFER)
    trial: dict[str, Any] = {"ends_at": MIDNIGHT, "kind": PriceKind.FREE_TRIAL}
    price("SenseChat-128K", "input_tokens", "0", begins_at=MIDNIGHT - A_WEEK, **trial)
    price("SenseChat-128K", "output_tokens", "0", begins_at=MIDNIGHT - A_WEEK, **trial)

    listed, free = "0.06 RMB/thousand tokens", "Free trial for a limited time"
    offer = "0.007 RMB/thousand tokens (limited time offer)"
    both = "Input tokens, Output tokens"
    assert changes(page()) == [
        ["2099-11-24 00:00", "SenseChat-128K", both, listed, free],
        ["2099-12-01 00:00", "SenseChat", "Input tokens", "0.012 RMB/thousand tokens", offer],
        ["2099-12-01 00:00", "SenseChat-128K", both, free, listed],
        ["2099-12-08 00:00", "SenseChat", "Input tokens", offer, "0.012 RMB/thousand tokens"],
    ]


def test_without_planned_changes_there_is_no_list_of_them():
    assert "Upcoming changes" not in page()


def test_items_that_will_cost_differently_are_told_apart():
    price("SenseChat-5-Cantonese", "input_tokens", "0.007", **OFFER)

    row = next(row for row in rows(page()) if row[0] == "SenseChat-5-Cantonese Model Call")

    assert [row[1], row[3]] == ["Input tokens", "Output tokens"]


@pytest.mark.parametrize("kind", [PriceKind.LIMITED_TIME_OFFER, PriceKind.FREE_TRIAL])
def test_an_offer_or_a_trial_says_until_when_and_what_it_costs_else(kind):
    ends: dict[str, Any] = {"begins_at": timezone.now(), "ends_at": MIDNIGHT, "kind": kind}
    price("SenseChat", "input_tokens", "0", **ends)

    row = next(row for row in rows(page()) if row[0] == "SenseChat Model Call")

    assert "0.012 RMB/thousand tokens until 2099-12-01 00:00 From" in row[2]


def test_an_offer_that_goes_on_under_another_row_does_not_end():
    offer: dict[str, Any] = {"kind": PriceKind.LIMITED_TIME_OFFER}
    price("SenseChat", "input_tokens", "0.007", begins_at=timezone.now(), ends_at=MIDNIGHT, **offer)
    price("SenseChat", "input_tokens", "0.007", begins_at=MIDNIGHT, **offer)

    assert "until 2099" not in words(page())


def test_a_change_of_one_customers_price_is_not_announced(acme):
    price("SenseChat", "input_tokens", "0.00777", customer=acme, **OFFER)

    html = page()

    assert "0.00777" not in html
    assert "Upcoming changes" not in html


def test_names_are_shown_as_they_are_and_run_nothing():
    name = """<img src=x onerror='alert(1)'></script><b>"&"""
    Service.objects.filter(name="SenseChat").update(name=name)
    ServiceGroup.objects.filter(name="General").update(name=name, description=name)
    price(name, "input_tokens", "0.007", **OFFER)

    html = page()

    assert "<img src=x" not in html
    assert "</script><b>" not in html
    assert html.count("&lt;img src=x") >= 5


def test_the_page_takes_the_same_few_queries_however_much_is_on_sale(django_assert_num_queries):
    with django_assert_num_queries(5):
        page()


def test_an_empty_catalogue_says_how_to_fill_it(settings):
    settings.CLOCK_OFFSET = dt.timedelta(days=-20 * 365)  # before the first price

    html = page()

    assert "manage.py load_catalogue" in html
    assert "Calculator" not in html


def test_no_page_asks_another_host(alice_client):
    for url in (reverse("prices"), reverse("sign_in"), reverse("customer_overview", args=["acme"])):
        html = alice_client.get(url, follow=True).content.decode()
        assert not re.search(r'(?:src|href)="(?:https?:)?//', html)


# --- Prices in the admin -------------------------------------------------------------------------


def fields(**changed):
    """What the form for a new SenseChat price sends: 0.01 from next week on."""
    begins = timezone.now() + dt.timedelta(days=7)
    sent = {
        "billing_item": item("SenseChat", "input_tokens").pk,
        "customer": "",
        "kind": "list_price",
        "unit_price": "0.01",
        "unit_size": "1000",
        "begins_at_0": f"{begins:%Y-%m-%d}",
        "begins_at_1": "00:00:00",
        "ends_at_0": "",
        "ends_at_1": "",
    }
    return sent | changed


def the_price(service="SenseChat"):
    return Price.objects.get(billing_item=item(service, "input_tokens"))


def add(client, **changed):
    return client.post(reverse("admin:pricing_price_add"), fields(**changed))


def change(client, found, **sent):
    return client.post(reverse("admin:pricing_price_change", args=[found.pk]), sent)


def test_a_price_is_changed_by_its_successor(operator_client):
    old = the_price()

    answer = add(operator_client, ends_predecessor="on")

    assert answer.status_code == 302
    new = Price.objects.exclude(pk=old.pk).get(billing_item=old.billing_item)
    old.refresh_from_db()
    assert old.ends_at == new.begins_at
    assert new.ends_at is None


def test_an_overlap_is_a_form_error_that_says_what_to_do(operator_client):
    answer = add(operator_client)

    assert answer.status_code == 200
    assert "Another list price of this item is in force in that period." in words(answer.content.decode())
    assert "tick &#x27;End the price that it replaces&#x27;" in answer.content.decode()
    assert Price.objects.filter(billing_item=the_price().billing_item).count() == 1


def test_a_successor_that_ends_would_leave_a_gap_and_changes_nothing(operator_client):
    answer = add(operator_client, ends_predecessor="on", ends_at_0="2099-01-01", ends_at_1="00:00:00")

    assert answer.status_code == 200
    assert "would be without a price for everybody" in answer.content.decode()
    assert the_price().ends_at is None


def test_ending_the_only_price_is_a_form_error(operator_client):
    answer = change(operator_client, the_price(), ends_at_0="2099-01-01", ends_at_1="00:00:00")

    assert answer.status_code == 200
    assert "would be without a price for everybody" in answer.content.decode()


def test_ending_a_price_in_the_past_is_a_form_error(operator_client):
    answer = change(operator_client, the_price(), ends_at_0="2024-01-01", ends_at_1="00:00:00")

    assert answer.status_code == 200
    assert "can only be moved from the future into the future" in answer.content.decode()


def test_a_new_price_must_begin_in_the_future(operator_client):
    answer = add(operator_client, begins_at_0="2024-01-01", kind="limited_time_offer")

    assert answer.status_code == 200
    assert "A price begins in the future" in answer.content.decode()


def test_a_price_that_has_begun_keeps_what_it_was(operator_client):
    found = the_price()

    change(operator_client, found, **fields(unit_price="9"))

    found.refresh_from_db()
    assert str(found.unit_price.normalize()) == "0.012"


def test_two_admins_at_once_get_a_message_and_no_fault_of_ours(operator_client, monkeypatch):
    monkeypatch.setattr("pricing.forms.PriceForm._post_clean", _trusting_post_clean)

    answer = operator_client.post(reverse("admin:pricing_price_add"), fields(), follow=True)

    assert answer.status_code == 200
    assert "Nothing was saved." in answer.content.decode()


def _trusting_post_clean(form):
    """As if the other admin had saved between our check and our save."""
    for name in ("billing_item", "customer", "kind", "unit_price", "unit_size", "begins_at", "ends_at"):
        setattr(form.instance, name, form.cleaned_data[name])


@pytest.mark.parametrize("amount", ["-1", "1000000", "0.123456789", "NaN", "abc", ""])
def test_an_impossible_unit_price_is_a_form_error(operator_client, amount):
    assert add(operator_client, unit_price=amount, ends_predecessor="on").status_code == 200


def test_a_free_trial_costs_nothing(operator_client):
    answer = add(operator_client, kind="free_trial", unit_price="0.5")

    assert answer.status_code == 200
    assert "A free trial costs 0." in answer.content.decode()


def test_a_new_billing_item_comes_with_its_first_price(operator_client):
    service = Service.objects.create(name="new-model", group=ServiceGroup.objects.all()[0])
    sent = {
        "service": service.pk,
        "measure": "input_tokens",
        "prices-TOTAL_FORMS": 1,
        "prices-INITIAL_FORMS": 0,
    }
    first = {
        "prices-0-kind": "list_price",
        "prices-0-unit_price": "0.01",
        "prices-0-unit_size": "1000",
        "prices-0-begins_at_0": "2026-01-01",
        "prices-0-begins_at_1": "00:00:00",
    }

    assert operator_client.post(reverse("admin:pricing_billingitem_add"), sent).status_code == 200
    assert not BillingItem.objects.filter(service=service).exists()
    assert operator_client.post(reverse("admin:pricing_billingitem_add"), sent | first).status_code == 302
    assert BillingItem.objects.get(service=service).prices.count() == 1


def test_a_billing_item_links_to_its_prices(operator_client):
    found = the_price()

    html = operator_client.get(reverse("admin:pricing_billingitem_change", args=[found.billing_item_id]))

    assert reverse("admin:pricing_price_change", args=[found.pk]) in html.content.decode()


def test_call_specifications_that_overlap_are_a_form_error(operator_client):
    found = CallSpecification.objects.all()[0]
    sent = {"service": found.service_id, "rpm": 5, "begins_at_0": "2030-01-01", "begins_at_1": "00:00:00"}

    answer = operator_client.post(reverse("admin:pricing_callspecification_add"), sent)

    assert answer.status_code == 200
    assert "Another call specification is in force in that period." in answer.content.decode()


@pytest.mark.parametrize("model", ["servicegroup", "service", "billingitem", "price", "callspecification"])
def test_every_list_and_form_of_the_catalogue_opens(operator_client, model):
    first = Price._meta.apps.get_model("pricing", model).objects.all()[0]

    assert operator_client.get(reverse(f"admin:pricing_{model}_changelist")).status_code == 200
    assert operator_client.get(reverse(f"admin:pricing_{model}_add")).status_code == 200
    assert operator_client.get(reverse(f"admin:pricing_{model}_change", args=[first.pk])).status_code == 200
    assert operator_client.get(reverse(f"admin:pricing_{model}_delete", args=[first.pk])).status_code == 403


def test_the_list_of_prices_reads_no_price_by_itself(operator_client, django_assert_max_num_queries):
    with django_assert_max_num_queries(12):
        operator_client.get(reverse("admin:pricing_price_changelist"))


@pytest.mark.parametrize(("state", "count"), [("in force", 20), ("scheduled", 1), ("ended", 0)])
def test_prices_can_be_filtered_by_state(operator_client, state, count):
    later = timezone.now() + dt.timedelta(days=1)
    price("SenseChat", "input_tokens", "0.001", begins_at=later, kind=PriceKind.LIMITED_TIME_OFFER)

    answer = operator_client.get(reverse("admin:pricing_price_changelist"), {"state": state})

    assert answer.context["cl"].result_count == count
