"""Settings of a customer and of a person: who may, and that nobody saves over what was not seen."""

import pytest
from django.conf import settings as configured
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.audit.context import audit_context
from accounts.models import AuditEntry, Customer, Member, User
from tests.browsing import fields_of

pytestmark = pytest.mark.django_db

PAGE = "/customers/acme/settings"
CONTACT = {
    "time_zone": "Europe/Berlin",
    "legal_name": "Acme <b>Ltd</b>",
    "tax_id": "91110000600037341L",
    "address": " 1 Harbour Road \r\nShanghai ",
    "billing_email": "books@acme.example",
}


def stored():
    return Customer.objects.values(*CONTACT).get(code="acme")


@pytest.mark.parametrize("role", ["owner", "finance"])
def test_owners_and_finance_edit_the_contact_for_bills(alice_client, role):
    Member.objects.update(role=role)

    answer = alice_client.post(PAGE, CONTACT)

    assert answer.status_code == 302
    assert stored() == CONTACT | {"address": "1 Harbour Road\nShanghai"}
    assert AuditEntry.objects.latest("pk").by == "alice@acme.example"
    assert "&lt;b&gt;Ltd" in alice_client.get(PAGE).content.decode()


def test_a_viewer_neither_sees_nor_edits_settings(alice_client):
    Member.objects.update(role="viewer")

    assert [alice_client.get(PAGE).status_code, alice_client.post(PAGE, CONTACT).status_code] == [403, 403]
    assert stored()["legal_name"] == ""
    assert PAGE not in alice_client.get("/customers/acme/people").content.decode()


@pytest.mark.parametrize(
    "fields",
    [{"time_zone": "Mars/Base"}, {"billing_email": "no"}, {"legal_name": "a\nb"}, {"address": "a\x07"}],
    ids=str,
)
def test_what_is_not_right_is_an_error_of_its_field(alice_client, fields):
    answer = alice_client.post(PAGE, CONTACT | fields)

    assert answer.status_code == 400
    assert f'id="id_{next(iter(fields))}_error"' in answer.content.decode()
    assert stored()["tax_id"] == ""


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"tax_id": "91110000600037341M"}, "check digit of this tax number is wrong"),
        ({"country": "de"}, "no tax number of DE"),
        ({"country": "XX"}, "XX is no code of a country"),
        ({"tax_id": "", "invoice_kind": "special"}, "needs a tax number of China"),
        ({"country": "US", "invoice_kind": "special"}, "needs a tax number of China"),
    ],
    ids=str,
)
def test_tax_data_that_no_invoice_could_have_are_refused(alice_client, fields, words):
    answer = alice_client.post(PAGE, CONTACT | fields)

    assert (answer.status_code, words in answer.content.decode()) == (400, True)
    assert stored()["tax_id"] == ""


def test_a_number_of_the_eu_is_stored_with_its_prefix(alice_client):
    fields = {"country": "de", "tax_id": "136 695 976", "invoice_kind": "ubl", "phone": "1", "bank_name": "B"}
    alice_client.post(PAGE, CONTACT | fields)

    acme = Customer.objects.get(code="acme")
    assert (acme.country, acme.tax_id, acme.invoice_kind) == ("DE", "DE136695976", "ubl")
    assert (acme.phone, acme.bank_name) == ("1", "B")


def test_a_number_from_before_it_was_checked_stands_against_no_other_change(alice_client):
    Customer.objects.update(tax_id="OLD-1")
    alice_client.post(PAGE, CONTACT | {"tax_id": "OLD-1", "legal_name": "Acme & Sons"})

    assert (stored()["tax_id"], stored()["legal_name"]) == ("OLD-1", "Acme & Sons")


def test_what_was_changed_after_the_page_was_opened_is_shown_and_kept(alice_client, acme):
    opened = fields_of(alice_client.get(PAGE))
    with audit_context(by="bookkeeper@acme.example"):
        Customer.objects.update(tax_id="CHANGED-1")

    answer = alice_client.post(PAGE, opened | {"legal_name": "Acme & Sons"})

    page = answer.content.decode()
    assert answer.status_code == 400
    assert ("bookkeeper@acme.example" in page, "CHANGED-1" in page, "Acme &amp; Sons" in page) == (True,) * 3
    assert stored()["tax_id"] == "CHANGED-1"
    assert alice_client.post(PAGE, fields_of(answer)).status_code == 302
    assert (stored()["tax_id"], stored()["legal_name"]) == ("CHANGED-1", "Acme & Sons")


def test_the_page_asks_little(alice_client):
    with CaptureQueriesContext(connection) as asked:
        alice_client.get(PAGE)

    assert len(asked) <= 12


def test_a_person_sets_name_and_language(alice_client, alice):
    page = reverse("account")
    answer = alice_client.post(page, {"name": "Alice", "language": "zh-hans"})

    alice.refresh_from_db()
    assert (alice.name, alice.language) == ("Alice", "zh-hans")
    assert answer.cookies[configured.LANGUAGE_COOKIE_NAME].value == "zh-hans"
    again = alice_client.post(page, {"name": "Alice", "language": ""})
    assert again.cookies[configured.LANGUAGE_COOKIE_NAME].value == ""


def test_a_language_that_is_not_known_is_refused(alice_client):
    assert alice_client.post(reverse("account"), {"language": "fr"}).status_code == 400
    assert User.objects.get().language == ""


def test_a_person_changes_nothing_but_name_and_language(alice_client):
    alice_client.post(reverse("account"), {"name": "A", "is_staff": "on", "email": "eve@acme.example"})

    assert User.objects.values_list("email", "is_staff").get() == ("alice@acme.example", False)
