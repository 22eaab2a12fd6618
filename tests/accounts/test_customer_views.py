"""Staff see what a customer sees: read only, for a time, and the audit trail has it."""

import datetime as dt
import re

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from accounts.api_keys.customer_access import current_view
from accounts.customer_views import ActsForCustomer, end_view, start_view
from accounts.models import AuditEntry, CustomerView, Member, MemberRole, Role, User
from invoices.models import HourlyBill
from sensenova_billing.lib import clock
from tests.browsing import Browser
from tests.builders import at, close, price, record, report
from tests.customer_routes import FINANCE_ONLY, OWNERS_ONLY, customer_addresses
from tests.invoices.browsing import text
from tests.packages import buy, tokens_product
from tests.test_tenancy import KEYED, ROUTES, sample
from tests.translations.test_pages import keep_everything

pytestmark = pytest.mark.django_db

NOW = timezone.now()
OVERVIEW = reverse("customer_overview", args=["acme"])
MINUTE = dt.timedelta(minutes=1)


@pytest.fixture
def carol():
    """Looks after customers, and may change nothing."""
    return User.objects.create_user("carol@sensenova.example", is_staff=True, role=Role.VIEWER)


def client_of(person):
    """A person's browser, signed in."""
    client = Browser()
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    return client


def view(person, customer, *, now=None):
    """Let a person view a customer's pages."""
    return start_view(person=person, customer=customer, reason="A question.", now=now or timezone.now())


def test_the_button_leads_to_the_customers_overview(carol, acme):
    client = client_of(carol)

    answer = client.post(f"/admin/accounts/customer/{acme.pk}/view-as/", {"reason": "Ticket 7"})

    assert (answer.status_code, answer["Location"]) == (302, OVERVIEW)
    page = text(client.get(OVERVIEW))
    assert "You see what Acme Ltd (acme) sees. You can change nothing. End this view" in page


def test_without_a_view_a_customers_pages_are_not_there_for_staff(carol, operator, acme):
    assert [client_of(person).get(OVERVIEW).status_code for person in (carol, operator)] == [404, 404]


def test_a_view_of_one_customer_shows_no_other(carol, acme, globex):
    view(carol, acme)
    client = client_of(carol)

    assert client.get(OVERVIEW).status_code == 200
    assert client.get(reverse("customer_overview", args=["globex"])).status_code == 404


def test_bills_lines_and_packages_of_the_customer_are_seen_too(carol, acme, globex):
    record(report(), report(customer="globex"))
    close()
    bill, other = HourlyBill.objects.order_by("customer_code")
    view(carol, acme)
    client = client_of(carol)

    assert client.get(reverse("bill", args=[bill.number])).status_code == 200
    line = reverse("charge_line", args=[bill.number, bill.lines.earliest("pk").pk])
    assert client.get(line).status_code == 200
    assert client.get(reverse("bill", args=[other.number])).status_code == 404


def test_staff_without_the_permission_have_no_button_and_see_nothing(acme):
    clerk = User.objects.create_user("clerk@sensenova.example", is_staff=True)
    client = client_of(clerk)

    assert client.post(f"/admin/accounts/customer/{acme.pk}/view-as/", {"reason": ""}).status_code == 403
    view(clerk, acme)
    assert client.get(OVERVIEW).status_code == 404


def test_a_person_that_loses_the_permission_sees_nothing_more(carol, acme):
    view(carol, acme)
    User.objects.filter(pk=carol.pk).update(role="")

    assert client_of(carol).get(OVERVIEW).status_code == 404


def test_people_of_customers_see_no_banner_and_cannot_view_others(alice_client, alice, acme, globex):
    CustomerView.objects.create(
        person=alice, customer=globex, began_at=NOW, expires_at=NOW + dt.timedelta(hours=1)
    )

    assert "You see what" not in text(alice_client.get(OVERVIEW))
    assert alice_client.get(reverse("customer_overview", args=["globex"])).status_code == 404


# --- Nothing is changed ----------------------------------------------------------------------------


def test_nothing_is_bought_in_a_view(carol, acme):
    terms = tokens_product()
    view(carol, acme)
    address = reverse("buy_package", args=["acme", terms.pk])

    assert [client_of(carol).get(address).status_code, client_of(carol).post(address).status_code] == [
        403,
        403,
    ]


def test_every_post_to_a_customers_pages_is_refused_in_a_view(carol, acme):
    view(carol, acme)
    client = client_of(carol)

    for name in ("customer_overview", "customer_bills", "customer_limits", "customer_packages"):
        assert client.post(reverse(name, args=["acme"])).status_code == 403
    assert client.post(reverse("dismiss_notice", args=["acme", 1])).status_code == 403


def test_a_package_of_the_customer_is_not_refunded_or_renewed_in_a_view(carol, acme):
    number = buy(acme).number
    view(carol, acme)
    client = client_of(carol)

    for name in ("refund_package", "set_renewal"):
        assert client.post(reverse(name, args=[number])).status_code == 403
    assert client.get(reverse("customer_package", args=[number])).status_code == 200


def test_staff_who_are_owners_of_another_customer_change_nothing_while_they_view(carol, acme, globex):
    Member.objects.create(user=carol, customer=globex, role=MemberRole.OWNER)
    view(carol, acme)

    assert client_of(carol).post(reverse("dismiss_notice", args=["globex", 1])).status_code == 403


def test_a_member_needs_no_view_of_its_own_customer(operator, operator_client, acme):
    Member.objects.create(user=operator, customer=acme, role=MemberRole.OWNER)

    with pytest.raises(ActsForCustomer):
        view(operator, acme)
    answer = operator_client.post(f"/admin/accounts/customer/{acme.pk}/view-as/", {"reason": ""}, follow=True)
    assert "these are your own pages of it" in text(answer)


# --- It ends ---------------------------------------------------------------------------------------


def test_a_view_ends_with_its_button(carol, acme):
    view(carol, acme)
    client = client_of(carol)

    answer = client.post(reverse("end_customer_view"), follow=True)

    assert "You no longer view acme as the customer does." in text(answer)
    assert client.get(OVERVIEW).status_code == 404


def test_a_view_is_not_ended_by_a_link(carol, acme):
    view(carol, acme)

    assert client_of(carol).get(reverse("end_customer_view")).status_code == 405
    assert current_view(person=carol, now=timezone.now()) is not None


def test_a_view_ends_by_itself_after_an_hour(carol, acme):
    view(carol, acme, now=NOW)

    assert current_view(person=carol, now=NOW + 59 * MINUTE) is not None
    assert current_view(person=carol, now=NOW + 60 * MINUTE) is None


def test_a_view_of_another_customer_ends_the_first(carol, acme, globex):
    first = view(carol, acme, now=NOW)

    second = view(carol, globex, now=NOW + MINUTE)

    first.refresh_from_db()
    assert first.ended_at == NOW + MINUTE
    assert current_view(person=carol, now=NOW + 2 * MINUTE) == second


def test_the_database_keeps_one_view_of_a_person_at_a_time(carol, acme, globex):
    view(carol, acme)

    with (
        pytest.raises(IntegrityError, match="a_person_views_as_one_customer_at_a_time"),
        transaction.atomic(),
    ):
        CustomerView.objects.create(
            person=carol, customer=globex, began_at=NOW, expires_at=NOW + dt.timedelta(hours=1)
        )


def test_ending_without_a_view_leads_to_the_first_page(carol):
    answer = client_of(carol).post(reverse("end_customer_view"))

    assert answer["Location"] == reverse("admin:index")


# --- The audit trail -------------------------------------------------------------------------------


def test_the_audit_trail_says_who_looked_at_which_customer_when_and_why(carol, acme):
    made = view(carol, acme)
    end_view(person=carol, now=timezone.now())

    ended, began = AuditEntry.objects.filter(table="accounts_customerview", row=str(made.pk))
    assert (began.by, began.reason, began.deed) == (carol.email, "A question.", "added")
    assert (began.after or {})["customer_id"] == acme.pk
    assert (ended.by, ended.deed, (ended.before or {})["ended_at"]) == (carol.email, "changed", None)


# --- Every address of a customer -------------------------------------------------------------------


@pytest.fixture
def all_addresses(acme, globex, alice, settings, monkeypatch):
    """An address for every route, to which Acme has all that it needs."""
    now = keep_everything(acme=acme, globex=globex, alice=alice, settings=settings)
    monkeypatch.setattr("sensenova_billing.lib.clock.now", lambda: now)
    return customer_addresses()


def test_in_a_view_every_page_and_file_is_read_and_the_others_are_refused(carol, acme, all_addresses):
    view(carol, acme, now=clock.now())
    client = client_of(carol)

    answers = {name: client.get(address) for name, address in all_addresses.items()}

    shown = {name: answer.getvalue() for name, answer in answers.items() if answer.status_code == 200}
    assert set(all_addresses) - set(shown) == OWNERS_ONLY | FINANCE_ONLY
    pages = {name: page for name, page in shown.items() if b"<main" in page}
    assert {"customer_usage", "customer_month", "bill_print", "customer_keys", "customer_people"} < set(pages)
    assert [name for name, page in pages.items() if b"You can change nothing" not in page] == []


def test_in_a_view_nothing_is_written_at_any_address_by_any_method(carol, acme, all_addresses):
    view(carol, acme, now=clock.now())
    client, before = client_of(carol), AuditEntry.objects.count()
    methods = [client.post, client.put, client.patch, client.delete]

    addresses = set(all_addresses.values()) - {CALCULATOR}
    answers = [send(address) for address in addresses for send in methods]

    assert {answer.status_code for answer in answers} == {403}
    assert AuditEntry.objects.count() == before


def test_in_a_view_the_calculator_answers_at_the_customers_prices(carol, acme):
    price("SenseChat-5", "input_tokens", "0.5", begins_at=at(0), customer=acme)
    view(carol, acme)

    answer = client_of(carol).post(CALCULATOR, {"service": "SenseChat-5", "input_tokens": "2000"})

    assert answer.status_code == 200
    assert "1.00" in text(answer)
    assert client_of(carol).put(CALCULATOR).status_code == 405


CALCULATOR = reverse("customer_prices", args=["acme"])
# Forms that are there all the same: they end the view or the session, change the language, or ask.
ALWAYS = {reverse("end_customer_view"), reverse("sign_out"), reverse("set_language")}
ALWAYS |= {f"{CALCULATOR}#calculator"}


def test_in_a_view_no_page_offers_what_it_would_refuse(carol, acme, all_addresses):
    view(carol, acme, now=clock.now())
    client = client_of(carol)

    pages = {
        name: client.get(address).getvalue().decode(errors="replace")
        for name, address in all_addresses.items()
    }

    forms = {name: re.findall(r"<form[^>]*method=.post[^>]*>", page) for name, page in pages.items()}
    offered = {
        name: [one for one in found if not any(f'"{path}"' in one for path in ALWAYS)]
        for name, found in forms.items()
    }
    assert {name: found for name, found in offered.items() if found} == {}
    targets = {name for page in pages.values() for name in OWNERS_ONLY if f'"{all_addresses[name]}"' in page}
    assert targets == set()
    assert forms["customer_package"]


OWN = ["account", "change_password", "second_factor_settings", "confirm_second_factor", "sessions"]


@pytest.mark.parametrize("name", OWN)
def test_in_a_view_a_person_reads_its_own_account_and_does_not_change_it(name, carol, acme):
    view(carol, acme)
    client, before = client_of(carol), AuditEntry.objects.count()

    assert client.post(reverse(name), {"name": "Eve", "password": "x"}).status_code == 403
    assert client.get(reverse(name), follow=True).status_code == 200
    assert AuditEntry.objects.count() == before


def test_in_a_view_a_session_is_no_key_of_the_api(carol, acme):
    view(carol, acme)
    client = client_of(carol)
    paths = [sample(ROUTES[name]) for name in KEYED]

    answers = [send(path) for path in paths for send in (client.get, client.post)]

    assert {answer.status_code for answer in answers} == {401}


def test_whatever_is_looked_at_the_audit_trail_has_the_look(carol, acme, all_addresses):
    client = client_of(carol)
    before = [client.get(address).status_code for address in all_addresses.values()]
    client.post(f"/admin/accounts/customer/{acme.pk}/view-as/", {"reason": "Ticket 7"})
    look = AuditEntry.objects.latest("pk")

    assert set(before) == {404, 405}
    assert (look.table, look.by, look.reason) == ("accounts_customerview", carol.email, "Ticket 7")
    assert (look.after or {})["customer_id"] == acme.pk
    assert client.get(all_addresses["customer_usage"]).status_code == 200
