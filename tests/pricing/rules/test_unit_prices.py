"""Unit prices are read in one way and have one bound, in forms, files and the database."""

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils import timezone

from invoices.admin_forms import ReratingForm
from pricing.changes.apply import RowState, dry_run
from pricing.changes.base_form import unit_price_field
from pricing.changes.forms import ChangePriceForm
from pricing.files.formats import read_rows
from pricing.models import Price
from pricing.rules.unit_prices import PRICE_BOUND, PRICE_DECIMALS
from sensenova_billing.lib.admin.number_fields import PlainDecimalField
from sensenova_billing.lib.decimals import read_decimal
from tests.builders import item
from tests.written_numbers import DECIMALS, WHOLE_NUMBERS

EACH = pytest.mark.parametrize(("text", "number"), DECIMALS.items(), ids=lambda one: repr(one)[:20])
SOON = timezone.now().replace(microsecond=0) + dt.timedelta(days=2)
LARGEST = "999999.99999999"


def cleaned(field, text):
    try:
        return field.clean(text)
    except ValidationError:
        return None


def read(line, head="service,measure,kind,unit_price,unit_size,begins_at"):
    return read_rows(data=f"sheet,{head}\n{line}\n".encode(), name="prices.csv")


@EACH
def test_a_decimal_number_is_digits_with_a_point(text, number):
    try:
        read_number = read_decimal(text)
    except ValueError:
        read_number = None

    assert read_number == number


@EACH
def test_a_form_reads_a_decimal_number_as_a_file_does(text, number):
    assert cleaned(PlainDecimalField(), f" {text} ") == number


@EACH
def test_a_file_reads_a_decimal_number_as_a_form_does(text, number):
    reading = read(f'prices,SenseChat,input_tokens,list_price,"{text}",1000,{SOON.isoformat()}')

    assert [stated.row.unit_price for stated in reading.stated] == ([] if number is None else [number])


@pytest.mark.parametrize(("text", "number"), WHOLE_NUMBERS.items(), ids=lambda one: repr(one)[:20])
def test_a_file_reads_a_whole_number_as_a_form_does(text, number):
    line = f'call specifications,SenseChat,"{text}",{SOON.isoformat()}'
    reading = read(line, head="service,rpm,begins_at")

    assert [stated.row.rpm for stated in reading.stated] == ([] if number is None else [number])


@pytest.mark.django_db
def test_an_underscore_in_a_price_is_refused_and_not_ten_times_the_price(operator_client):
    asked = {
        "item": item("SenseChat", "input_tokens").pk, "kind": "list_price", "unit_price": "1_0",
        "unit_size": "1000", "begins_at": f"{SOON:%Y-%m-%dT%H:%M}", "show": "1",
    }  # fmt: skip

    page = operator_client.get(reverse("change_price"), asked)

    assert [*page.context["price_form"].errors] == ["unit_price"]
    assert page.context["preview"] is None


BOUNDS = pytest.mark.parametrize(
    ("price", "is_taken"),
    [("999999.5", True), (LARGEST, True), ("0", True), ("1000000", False), ("-0.01", False)],
)


@BOUNDS
@pytest.mark.parametrize(
    "field", [ChangePriceForm.base_fields["unit_price"], ReratingForm.base_fields["unit_price"]]
)
def test_forms_take_every_price_of_less_than_a_million(field, price, is_taken):
    assert (cleaned(field, price) == Decimal(price)) is is_taken


@pytest.mark.django_db
@BOUNDS
def test_files_take_every_price_of_less_than_a_million(price, is_taken):
    reading = read(f"prices,SenseChat,input_tokens,limited_time_offer,{price},1000,{SOON.isoformat()}")
    with dry_run(rows=[stated.row for stated in reading.stated], now=timezone.now()) as outcome:
        (change,) = outcome.changes

    assert change.state == (RowState.NEW if is_taken else RowState.REFUSED)
    assert is_taken or "less than 1,000,000 RMB" in change.reason


@pytest.mark.django_db
def test_the_largest_price_is_stored_to_the_digit():
    held = Price(
        billing_item=item("SenseChat", "input_tokens"),
        kind="limited_time_offer",
        unit_price=Decimal(LARGEST),
        begins_at=SOON,
    )
    held.full_clean()
    held.save()

    assert Price.objects.get(pk=held.pk).unit_price == Decimal(LARGEST)


def test_the_documentation_names_the_bound_that_is_in_force():
    written = Path(settings.BASE_DIR, "docs/pricing.md").read_text()

    assert f"at most {PRICE_DECIMALS} decimals and is less than {PRICE_BOUND:,} RMB" in written


def test_a_price_beyond_the_bound_is_refused_in_words():
    with pytest.raises(ValidationError, match="less than 1,000,000 RMB"):
        unit_price_field("Price").clean("1000000")
