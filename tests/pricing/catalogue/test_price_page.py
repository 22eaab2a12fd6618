"""The public price page, and prices in the admin."""

import datetime as dt
import re
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from pricing.models import Price, Service, ServiceGroup
from pricing.rules.kinds import Kind
from tests.builders import item, price
from tests.querying import get_within

pytestmark = pytest.mark.django_db

SOURCE = [
    ["Service", "Billing Item", "Unit Price", "Billing Item", "Unit Price"],
    [
        "SenseChat-5 Model Call",
        "Input tokens",
        "0.04 RMB/thousand tokens (limited-time offer)",
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
        "0.002 RMB/thousand tokens (limited-time offer)",
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
        "Billing methods",
        "SenseNova LLM",
        "General",
        "General - Cantonese Version",
        "SenseNova Multimodal Large Model",
        "SenseNova TTS Model",
        "SenseNova Embedding Model",
        "SenseNova Role-play Model",
        "Quota packages",
        "Calculator",
        "Default call specifications",
    ]


def test_default_call_limits_say_where_none_is_stated():
    text = words(page())

    assert "SenseChat-5 60 128,000" in text.replace("SenseChat-560", "SenseChat-5 60").replace(
        "60128", "60 128"
    )
    assert "No limit" in text


def test_an_offer_strikes_out_the_list_price_that_it_undercuts():
    price("SenseChat-5", "input_tokens", "0.05", begins_at=timezone.now())

    assert '<s class="unbroken" title="list price">0.05 RMB/thousand tokens</s>' in page()


def test_a_price_of_one_customer_is_not_on_the_page(acme):
    price("SenseChat", "input_tokens", "0.00777", begins_at=timezone.now(), customer=acme)

    assert "0.00777" not in page()


MIDNIGHT = dt.datetime(2099, 12, 1, tzinfo=dt.timezone(dt.timedelta(hours=8)))  # in Shanghai
A_WEEK = dt.timedelta(days=7)
OFFER: dict[str, Any] = {"begins_at": MIDNIGHT, "kind": Kind.LIMITED_TIME_OFFER}


def changes(html):
    table = re.search(r'id="upcoming".*?</section>', html, re.DOTALL)
    rows = re.findall(r"<tr>.*?</tr>", table[0] if table else "", re.DOTALL)
    return [[words(cell) for cell in re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL)] for row in rows[1:]]


def test_a_price_that_begins_later_is_announced_at_its_item():
    price("SenseChat", "input_tokens", "0.00777", **OFFER)

    row = next(row for row in rows(page()) if row[0] == "SenseChat Model Call")

    assert row[2] == (
        "0.012 RMB/thousand tokens From 2099-12-01 00:00: 0.00777 RMB/thousand tokens (limited-time offer)"
    )


def test_all_changes_that_are_planned_are_listed_soonest_first():
    price("SenseChat", "input_tokens", "0.007", ends_at=MIDNIGHT + A_WEEK, **OFFER)
    trial: dict[str, Any] = {"ends_at": MIDNIGHT, "kind": Kind.FREE_TRIAL}
    price("SenseChat-128K", "input_tokens", "0", begins_at=MIDNIGHT - A_WEEK, **trial)
    price("SenseChat-128K", "output_tokens", "0", begins_at=MIDNIGHT - A_WEEK, **trial)

    listed, free = "0.06 RMB/thousand tokens", "Free trial for a limited time"
    offer = "0.007 RMB/thousand tokens (limited-time offer)"
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


@pytest.mark.parametrize("kind", [Kind.LIMITED_TIME_OFFER, Kind.FREE_TRIAL])
def test_an_offer_or_a_trial_says_until_when_and_what_it_costs_else(kind):
    ends: dict[str, Any] = {"begins_at": timezone.now(), "ends_at": MIDNIGHT, "kind": kind}
    price("SenseChat", "input_tokens", "0", **ends)

    row = next(row for row in rows(page()) if row[0] == "SenseChat Model Call")

    assert "0.012 RMB/thousand tokens until 2099-12-01 00:00 From" in row[2]


def test_an_offer_that_goes_on_under_another_row_does_not_end():
    offer: dict[str, Any] = {"kind": Kind.LIMITED_TIME_OFFER}
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


def the_price(service="SenseChat"):
    return Price.objects.get(billing_item=item(service, "input_tokens"))


def test_a_billing_item_links_to_its_prices(operator_client):
    found = the_price()

    html = operator_client.get(reverse("admin:pricing_billingitem_change", args=[found.billing_item_id]))

    assert reverse("admin:pricing_price_change", args=[found.pk]) in html.content.decode()


def test_a_call_specification_that_ends_before_it_begins_is_a_form_error(operator_client):
    service = Service.objects.get(name="SenseChat").pk
    sent = {
        "service": service,
        "rpm": 5,
        "reason": "Less.",
        "begins_at_0": "2030-01-01",
        "begins_at_1": "00:00",
    }

    answer = operator_client.post(
        reverse("admin:pricing_callspecification_add"),
        sent | {"ends_at_0": "2029-01-01", "ends_at_1": "00:00"},
    )

    assert answer.status_code == 200
    assert "A call specification must end after it begins." in answer.content.decode()


@pytest.mark.parametrize("model", ["servicegroup", "service", "billingitem", "price", "callspecification"])
def test_every_list_and_page_of_the_catalogue_opens(operator_client, model):
    first = Price._meta.apps.get_model("pricing", model).objects.all()[0]
    made_elsewhere = model in {"billingitem", "price"}

    assert operator_client.get(reverse(f"admin:pricing_{model}_changelist")).status_code == 200
    assert operator_client.get(reverse(f"admin:pricing_{model}_change", args=[first.pk])).status_code == 200
    assert operator_client.get(reverse(f"admin:pricing_{model}_delete", args=[first.pk])).status_code == 403
    added = operator_client.get(reverse(f"admin:pricing_{model}_add"))
    assert added.status_code == (403 if made_elsewhere else 200)


def test_a_price_is_not_edited_past_the_deeds(operator_client):
    found = the_price()

    answer = operator_client.post(
        reverse("admin:pricing_price_change", args=[found.pk]), {"unit_price": "9", "ends_at_0": "2099-01-01"}
    )

    found.refresh_from_db()
    assert answer.status_code == 403
    assert (str(found.unit_price.normalize()), found.ends_at) == ("0.012", None)


@pytest.mark.parametrize("model", ["price", "billingitem"])
def test_the_lists_of_prices_and_items_read_none_by_itself(operator_client, model):
    page = get_within(operator_client, reverse(f"admin:pricing_{model}_changelist"), queries=12)

    assert len(page.context["cl"].result_list) > 12


def test_a_billing_item_tells_its_price_its_next_change_and_its_timeline(operator_client):
    later = timezone.now().replace(second=0, microsecond=0) + dt.timedelta(days=1)
    price("SenseChat", "input_tokens", "0.001", begins_at=later, kind=Kind.LIMITED_TIME_OFFER)

    listed = operator_client.get(reverse("admin:pricing_billingitem_changelist"))
    shown = operator_client.get(
        reverse("admin:pricing_billingitem_change", args=[item("SenseChat", "input_tokens").pk])
    )

    local = later.astimezone(MIDNIGHT.tzinfo)
    both = f"{local:%Y-%m-%d %H:%M} Asia/Shanghai ({later:%Y-%m-%d %H:%M} UTC)"
    next_one = f"{both}: 0.001 RMB/thousand tokens (limited-time offer)"
    assert next_one in words(listed.content.decode())
    assert "Now: 0.012 RMB/thousand tokens" in words(shown.content.decode())
    assert "Next: 0.001 RMB/thousand tokens (limited-time offer)" in words(shown.content.decode())


@pytest.fixture
def questions():
    """SenseChat input tokens: an offer that ends soon, and another after it, without an end."""
    now = timezone.now()
    soon = now + dt.timedelta(days=3)
    offer = {"kind": Kind.LIMITED_TIME_OFFER}
    price("SenseChat", "input_tokens", "0.001", begins_at=now - dt.timedelta(days=3), ends_at=soon, **offer)
    price("SenseChat", "input_tokens", "0.002", begins_at=soon, **offer)
    price("SenseChat", "output_tokens", "0.003", begins_at=soon - dt.timedelta(days=1), **offer)


WHAT = {"now": 21, "next": 2, "soon": 1, "endless": 7, "ended": 0}


@pytest.mark.parametrize(("what", "count"), WHAT.items())
def test_the_list_answers_what_is_asked(operator_client, questions, what, count):
    answer = operator_client.get(reverse("admin:pricing_price_changelist"), {"what": what})

    assert answer.context["cl"].result_count == count


def test_what_changes_next_comes_first(operator_client, questions):
    answer = operator_client.get(reverse("admin:pricing_price_changelist"), {"what": "next"})

    assert [str(one.unit_price.normalize()) for one in answer.context["cl"].result_list] == ["0.003", "0.002"]
