"""Staff see what a credit comes to before it is booked, and a second person decides on large ones."""

from decimal import Decimal

import pytest
from django.urls import reverse

from accounts.models import Role, User
from invoices.models import Adjustment
from tests.builders import THE_HOUR, close, record
from tests.invoices.browsing import text
from tests.invoices.documents.builders import SHANGHAI

pytestmark = pytest.mark.django_db

ADD = "admin:invoices_adjustment_add"
CHANGE = "admin:invoices_adjustment_change"


@pytest.fixture
def form(acme):
    """Ten per cent of the day of the only bill."""
    record()
    close()
    day = f"{THE_HOUR.astimezone(SHANGHAI):%Y-%m-%d}"
    fields = {"customer": "acme", "kind": "credit", "cause": "service_level", "percent": "10", "key": "one"}
    return fields | {"first_day": day, "last_day": day, "reason": "It was slow."}


def booked(client, form):
    """What a person books who sends the form of the preview."""
    preview = client.post(reverse(ADD), form)
    return preview, client.post(reverse(ADD), form | {"seen": preview.context["seen"]}, follow=True)


def test_a_credit_is_shown_before_it_is_booked_and_is_on_the_next_statement(
    operator_client, alice_client, acme, form
):
    preview, done = booked(operator_client, form)
    amount = acme.hourly_bills.get().amount / 10

    assert f"Book {amount.normalize():f} RMB" in text(preview)
    assert "is on the next statement." in text(done)
    assert Adjustment.objects.get().amount == amount
    assert "Credit (service level) It was slow." in text(
        alice_client.get(reverse("customer_account", args=["acme"]))
    )


def test_a_preview_books_nothing(operator_client, form):
    operator_client.post(reverse(ADD), form)
    operator_client.post(reverse(ADD), form | {"seen": "1"})

    assert not Adjustment.objects.exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"percent": ""}, "Give an amount or a percentage."),
        ({"last_day": ""}, "Give a first and a last day"),
        ({"first_day": "0001-01-01"}, "Enter a valid date."),
        ({"last_day": "9999-12-31"}, "Enter a valid date."),
        ({"statement": "S1"}, "Choose a statement, or days and a service."),
        ({"statement": "S1", "first_day": "", "last_day": ""}, "no statement with this number"),
        ({"percent": "", "amount": "5"}, "were charged and not credited"),
        ({"first_day": "", "last_day": ""}, "A percentage is of a statement or of days"),
    ],
)
def test_what_cannot_be_booked_is_named(operator_client, form, changes, words):
    answer = operator_client.post(reverse(ADD), form | changes)

    assert (answer.status_code, words in text(answer)) == (400, True)


def test_a_large_one_waits_in_the_list_until_another_person_decides(
    operator_client, operator, client, form, settings
):
    settings.CREDIT_APPROVAL_ABOVE = Decimal(0)
    booked(operator_client, form)
    waits = Adjustment.objects.get()
    page = reverse(CHANGE, args=[waits.pk])

    assert "1 credit or charge by hand waits" in text(operator_client.get(reverse("admin:index")))
    operator_client.post(page, {"decision": "approved"})
    waits.refresh_from_db()
    assert waits.decision == ""

    second = User.objects.create_user("second@sensenova.example", is_staff=True, role=Role.BILLING_ADMIN)
    client.force_login(second, backend="django.contrib.auth.backends.ModelBackend")
    client.post(page, {"decision": "refused"})
    waits.refresh_from_db()
    assert (waits.decision, waits.decided_by) == ("refused", second.email)
    assert "refused" in text(operator_client.get(reverse("admin:invoices_adjustment_changelist")))


def test_people_who_only_look_neither_propose_nor_decide(client, form, operator_client, settings):
    settings.CREDIT_APPROVAL_ABOVE = Decimal(0)
    booked(operator_client, form)
    viewer = User.objects.create_user("viewer@sensenova.example", is_staff=True, role=Role.VIEWER)
    client.force_login(viewer, backend="django.contrib.auth.backends.ModelBackend")

    assert client.post(reverse(ADD), form).status_code == 403
    page = reverse(CHANGE, args=[Adjustment.objects.get().pk])
    assert client.post(page, {"decision": "approved"}).status_code == 403
