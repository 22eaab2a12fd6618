"""The admin's pages with addresses that no link of ours makes: a page, a way back or "not found", never a fault."""

import pytest
from django.contrib import admin
from django.urls import reverse

from invoices.models import ChargeLine
from tests.builders import item

pytestmark = pytest.mark.django_db

DIGITS = "9" * 5000
ODD = ["abc", "\0", DIGITS, "-1", "1e999999999", "²", "0001-01-01T00:00:00+14:00"]
EVERY_ODD_ONE = pytest.mark.parametrize("odd", ODD, ids=["a word", "NUL", "5,000 digits", *ODD[3:]])
MODELS = pytest.mark.parametrize("model", [*admin.site._registry], ids=lambda model: model.__name__)


def sensible():
    """What every deed's form takes."""
    chosen = item("SenseChat", "input_tokens")
    return {
        "item": chosen.pk, "items": chosen.pk, "service": chosen.service_id, "measure": "input_characters",
        "prices": chosen.prices.get().pk, "kind": "list_price", "unit_price": "0.01", "unit_size": "1000",
        "percent_off": "10", "begins_at": "2099-01-01T00:00", "ends_at": "2100-01-01T00:00",
    }  # fmt: skip


def route(model, page):
    return f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}"


@EVERY_ODD_ONE
@pytest.mark.parametrize("deed", ["change_this", "end_this", "cancel_this"])
def test_a_button_of_a_price_that_is_none_finds_nothing(deed, odd, operator_client):
    assert operator_client.get(reverse(f"admin:pricing_price_{deed}", args=[odd])).status_code == 404


@EVERY_ODD_ONE
@pytest.mark.parametrize(
    "button", ["service_offer_this", "service_sell_more", "billingitem_change_this", "billingitem_try_this"]
)
def test_a_button_of_what_is_none_leads_to_a_deed_with_nothing_chosen(button, odd, operator_client):
    answer = operator_client.get(reverse(f"admin:pricing_{button}", args=[odd]), follow=True)

    assert answer.status_code == 200
    assert b" checked" not in answer.content


DEEDS = {
    "change_price": ("item", "customer", "kind", "unit_price", "unit_size", "begins_at", "ends_at"),
    "announce_offer": ("groups", "services", "items", "percent_off", "begins_at", "ends_at"),
    "start_trial": ("groups", "services", "items", "begins_at", "ends_at"),
    "end_price": ("prices", "ends_at"),
    "copy_prices": ("source", "target", "begins_at"),
    "put_on_sale": ("service", "measure", "kind", "unit_price", "unit_size", "begins_at"),
}


@EVERY_ODD_ONE
@pytest.mark.parametrize(("deed", "names"), DEEDS.items(), ids=DEEDS)
def test_a_deed_says_at_the_form_what_makes_no_sense(deed, names, odd, operator_client):
    for name in names:
        for asked in ({name: odd}, {**sensible(), name: odd, "show": 1}):
            assert operator_client.get(reverse(deed, query=asked)).status_code == 200, name
    answer = operator_client.get(reverse(deed, query=dict.fromkeys(names, odd) | {"show": 1}))

    assert answer.context["asked"].errors


@EVERY_ODD_ONE
def test_a_charge_line_that_is_none_is_not_found(odd, operator_client):
    assert operator_client.get(reverse(route(ChargeLine, "change"), args=[odd])).status_code == 404
