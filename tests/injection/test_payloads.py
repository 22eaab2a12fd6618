"""What finds payloads finds each of them, and which names take which of them is known."""

import pytest
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.html import escape

from accounts.models import Customer, ServiceKey, User
from pricing.models import PackageProduct, Service, ServiceAlias, ServiceGroup
from sensenova_billing.lib.names import validate_name
from tests.injection.payloads import PAYLOADS, REFUSED, findings, packed

# Where a careless template could write a name.
CARELESS = (
    "<p>{}</p>",
    '<input value="{}">',
    "<input value='{}'>",
    '<a href="{}">x</a>',
    '<script>var name = "{}";</script>',
    '<script type="application/json">{{"name": "{}"}}</script>',
)
NAMES = [
    *((User, "name"), (Customer, "name"), (Customer, "legal_name"), (Customer, "tax_id")),
    *((ServiceKey, "name"), (ServiceGroup, "family"), (ServiceGroup, "name"), (Service, "name")),
    *((ServiceAlias, "alias"), (PackageProduct, "name")),
]


def test_there_are_sixty_kinds():
    assert (len(PAYLOADS), len(set(PAYLOADS))) == (60, 60)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_each_is_found_on_a_careless_page_and_not_on_a_careful_one(payload):
    """The control: the check of the pages can fail."""
    careless = [findings(f"<!doctype html><body>{one.format(payload)}</body>") for one in CARELESS]
    careful = [findings(f"<body>{one.format(escape(payload))}</body>") for one in CARELESS[:3]]

    assert any(careless)
    assert careful == [[], [], []]


@pytest.mark.parametrize("longest", [50, 64, 100, 200, 255, 500])
def test_packed_texts_hold_all_and_fit(longest):
    texts = packed(longest)

    assert max(map(len, texts)) <= longest
    assert [payload for payload in PAYLOADS if not any(payload in text for text in texts)] == []


@pytest.mark.parametrize(("model", "name"), NAMES)
def test_names_take_all_sixty_so_pages_have_to_escape_them(model, name):
    row = model(**{name: PAYLOADS[0]})
    others = {field.name for field in model._meta.fields} - {name}

    for payload in PAYLOADS:
        setattr(row, name, payload)
        row.clean_fields(exclude=others)


@pytest.mark.parametrize("payload", REFUSED)
def test_a_name_takes_no_control_characters(payload):
    with pytest.raises(ValidationError):
        validate_name(payload)


@pytest.mark.parametrize("name", ["code", "time_zone"])
def test_a_customers_code_and_time_zone_take_none(name):
    others = {field.name for field in Customer._meta.fields} - {name}

    for payload in (*PAYLOADS, *REFUSED):
        with pytest.raises(ValidationError):
            Customer(**{name: payload}).clean_fields(exclude=others)


def test_an_e_mail_address_takes_some_within_quotation_marks():
    taken = []
    for payload in PAYLOADS:
        try:
            validate_email(f'"{payload}"@acme.example')
        except ValidationError:
            continue
        taken.append(payload)

    assert "<script>pwn=1</script>" in taken
    assert 0 < len(taken) < len(PAYLOADS)
