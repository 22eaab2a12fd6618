"""Addresses in the admin that no link of ours makes: a page, a way back or not found, never a fault."""

import re

import pytest
from django.contrib import admin
from django.urls import reverse

from accounts.models import AuditEntry, ServiceKey
from invoices.models import ChargeLine, Rerating
from pricing.models import CallSpecification, ServiceAlias
from tests.builders import item

pytestmark = pytest.mark.django_db

DIGITS = "9" * 5000
ODD = ["abc", "\0", DIGITS, "-1", "1e999999999", "²", "0001-01-01T00:00:00+14:00"]
EVERY_ODD_ONE = pytest.mark.parametrize("odd", ODD, ids=["a word", "NUL", "5,000 digits", *ODD[3:]])


def sensible():
    """Valid values for the form of every price action."""
    chosen = item("SenseChat", "input_tokens")
    return {
        "item": chosen.pk, "items": chosen.pk, "service": chosen.service_id, "measure": "input_characters",
        "prices": chosen.prices.get().pk, "kind": "list_price", "unit_price": "0.01", "unit_size": "1000",
        "percent_off": "10", "begins_at": "2099-01-01T00:00", "ends_at": "2100-01-01T00:00",
        "product": "SenseChat", "method": "tokens_package", "services": chosen.service_id, "tokens": "1000",
        "validity": "1", "validity_unit": "month", "list_price": "12.00",
    }  # fmt: skip


def route(model, page):
    return f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}"


@EVERY_ODD_ONE
@pytest.mark.parametrize("action", ["change_this", "end_this", "cancel_this"])
def test_a_button_of_a_price_that_is_none_finds_nothing(action, odd, operator_client):
    assert operator_client.get(reverse(f"admin:pricing_price_{action}", args=[odd])).status_code == 404


@EVERY_ODD_ONE
@pytest.mark.parametrize(
    "button",
    [
        "service_offer_this",
        "service_sell_more",
        "billingitem_change_this",
        "billingitem_try_this",
        "packageterms_sell_this",
        "packageterms_end_this",
    ],
)
def test_a_button_of_an_odd_key_leads_to_a_form_with_nothing_chosen(button, odd, operator_client):
    answer = operator_client.get(reverse(f"admin:pricing_{button}", args=[odd]), follow=True)

    assert answer.status_code == 200
    assert not re.search(rb"<input[^>]* checked[ >]", answer.content)


ACTIONS = {
    "change_price": ("item", "customer", "kind", "unit_price", "unit_size", "begins_at", "ends_at"),
    "announce_offer": ("groups", "services", "items", "percent_off", "begins_at", "ends_at"),
    "start_trial": ("groups", "services", "items", "begins_at", "ends_at"),
    "end_price": ("prices", "ends_at"),
    "copy_prices": ("source", "target", "begins_at"),
    "sell_package": (
        "product", "method", "services", "groups", "tokens", "validity", "validity_unit", "list_price",
        "offer_price", "rpm", "tpm", "weights", "begins_at", "ends_at",
    ),
    "end_terms": ("terms", "ends_at"),
    "cancel_terms": ("terms",),
    "put_on_sale": ("service", "measure", "kind", "unit_price", "unit_size", "begins_at"),
}  # fmt: skip


@EVERY_ODD_ONE
@pytest.mark.parametrize(("action", "names"), ACTIONS.items(), ids=ACTIONS)
def test_the_form_of_a_price_action_shows_errors_for_odd_values(action, names, odd, operator_client):
    good = sensible()
    assert operator_client.get(reverse(action, query=dict.fromkeys(names, odd))).status_code == 200
    for name in names:
        query = {**good, name: odd, "show": 1}
        assert operator_client.get(reverse(action, query=query)).status_code == 200, name
    answer = operator_client.get(reverse(action, query=dict.fromkeys(names, odd) | {"show": 1}))

    assert answer.context["price_form"].errors


@EVERY_ODD_ONE
def test_a_charge_line_that_is_none_is_not_found(odd, operator_client):
    assert operator_client.get(reverse(route(ChargeLine, "change"), args=[odd])).status_code == 404


MODELS = [model for model in admin.site._registry if model is not ChargeLine]  # which has no list
LISTED = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)


@pytest.mark.parametrize("odd", ["abc", "\0", "1e999999999"], ids=["a word", "NUL", "huge"])
@LISTED
def test_a_list_that_is_asked_for_what_no_column_holds_is_shown_or_leads_back(model, odd, operator_client):
    url = reverse(route(model, "changelist"))
    for name in [*(field.name for field in model._meta.fields), "table", "q", "p", "o", "kind__in"]:
        answer = operator_client.get(url, {name: odd})

        assert answer.status_code in {200, 302, 400}, name


@EVERY_ODD_ONE
@pytest.mark.parametrize("model", [ServiceAlias, CallSpecification, Rerating, ServiceKey])
def test_a_new_row_is_not_begun_with_what_no_field_holds(model, odd, operator_client):
    names = [field.name for field in model._meta.get_fields()]

    answer = operator_client.get(reverse(route(model, "add"), query=dict.fromkeys(names, odd)))

    assert answer.status_code == 200


def test_a_search_for_what_no_text_holds_finds_nothing(operator_client):
    query = {"app_label": "invoices", "model_name": "rerating", "field_name": "price", "term": "\0"}

    assert operator_client.get("/admin/autocomplete/", query).json()["results"] == []


def test_a_table_that_is_not_under_audit_filters_nothing(acme, operator_client):
    everything = operator_client.get(reverse(route(AuditEntry, "changelist")))

    filtered = operator_client.get(reverse(route(AuditEntry, "changelist"), query={"table": "pg_class"}))

    assert [one.pk for one in filtered.context["cl"].result_list] == [
        one.pk for one in everything.context["cl"].result_list
    ]


ROW_FIELDS = [
    (CallSpecification, "service"),
    (CallSpecification, "customer"),
    (ServiceAlias, "service"),
    (ServiceKey, "customers"),
]


@pytest.mark.parametrize("odd", [*ODD, "9" * 30], ids=repr)
@pytest.mark.parametrize(("model", "name"), ROW_FIELDS)
def test_a_form_that_chooses_what_is_no_row_is_shown_again(model, name, odd, operator_client):
    answer = operator_client.post(reverse(route(model, "add")), {name: odd})

    assert answer.status_code == 200
    assert answer.context["errors"]


@pytest.mark.parametrize("name", ["a" * 255, "a" * 300, "😀" * 300])
@pytest.mark.parametrize("page", ["sign_in", "admin:login"])
def test_a_name_too_long_to_store_does_not_sign_in(page, name, client, settings):
    settings.AXES_ENABLED = True  # it stores the name

    assert client.post(reverse(page), {"username": name, "password": "x"}).status_code == 200
