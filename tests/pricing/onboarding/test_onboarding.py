"""Onboarding makes a customer with all that it begins with, or nothing at all."""

import datetime as dt
from decimal import Decimal

import pytest
from django.db import IntegrityError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.api_keys.keys import issue_service_key, recognise_service_key
from accounts.models import AuditEntry, Customer, Invitation, Role, ServiceKey, User
from pricing.changes.apply import ChangesRefused
from pricing.changes.approval import decide_proposal
from pricing.changes.price_commands import agree_prices
from pricing.models import CallSpecification, Decision, Price, Proposal, Service
from pricing.onboarding.onboard import NewKey, NewLimits, onboard_customer
from tests.builders import item
from tests.invoices.browsing import OPERATOR, staff_client, text
from tests.querying import get_within

pytestmark = pytest.mark.django_db

PAGE = "/admin/customers/onboard"
OWNER = "nora@initech.example"
MADE = (Customer, Invitation, ServiceKey, CallSpecification, Price, Proposal)


@pytest.fixture
def turbo():
    """SenseChat-Turbo, which charges for input and output tokens."""
    return Service.objects.get(name="SenseChat-Turbo")


def sent(**fields):
    """What the page sends in the plain case: the customer, its owner and a key that reports usage."""
    plain = {
        "code": "initech",
        "name": "Initech",
        "time_zone": "Europe/Berlin",
        "reason": "Signed on Monday.",
    }
    return plain | {"owner_email": OWNER, "scopes": ["usage:write"]} | fields


def counts():
    """How many rows there are of each kind that onboarding makes."""
    return [model.objects.count() for model in MADE]


def key_on(answer):
    """The text of the key that a summary shows."""
    return answer.context["made"].key_text


def onboard(**parts):
    """Onboard Initech without a page."""
    customer = Customer(code="initech", name="Initech")
    now = timezone.now()
    return onboard_customer(customer=customer, **parts, by=OPERATOR, reason="Signed.", now=now)


def test_the_plain_case_makes_a_customer_an_invitation_and_a_key(operator_client):
    answer = operator_client.post(PAGE, sent())

    customer = Customer.objects.get(code="initech")
    assert (customer.name, customer.time_zone) == ("Initech", "Europe/Berlin")
    invitation = customer.invitations.get()
    assert (invitation.email, invitation.role, invitation.invited_by) == (OWNER, "owner", OPERATOR)
    key = recognise_service_key(text=key_on(answer), now=timezone.now())
    assert key is not None
    assert (key.name, key.scopes, key.customer) == ("initech", ["usage:write"], customer)
    assert (key.is_limited, list(key.customers.all())) == (True, [customer])


def test_the_link_works_for_the_owner(operator_client):
    answer = operator_client.post(PAGE, sent())

    page = Client().get(answer.context["link"])

    assert (page.status_code, "Initech" in text(page)) == (200, True)


def test_the_key_is_in_that_answer_and_nowhere_else(operator_client):
    answer = operator_client.post(PAGE, sent())
    secret = key_on(answer)

    assert answer.content.decode().count(secret) == 1
    assert "no-store" in answer["Cache-Control"]
    pages = [PAGE, reverse("admin:accounts_servicekey_change", args=[ServiceKey.objects.get().pk])]
    assert [secret in operator_client.get(page).content.decode() for page in pages] == [False, False]
    assert secret.split("_", 3)[3] not in str(list(AuditEntry.objects.values_list("before", "after")))


def test_the_command_of_the_summary_reports_a_call(operator_client):
    answer = operator_client.post(PAGE, sent())
    body = answer.context["curl"].rpartition(" -d ")[2].strip("'")

    headers = {"Authorization": f"Bearer {key_on(answer)}"}
    reported = Client().post("/api/v1/usage", body, content_type="application/json", headers=headers)

    assert (reported.status_code, reported.json()) == (200, {"accepted": 1, "duplicates": 0})


def test_where_mail_can_be_sent_the_link_is_not_shown(operator_client, settings):
    settings.PUBLIC_URL = "https://billing.example.com"

    page = text(operator_client.post(PAGE, sent()))

    assert ("The link is mailed within a minute" in page, "/invitations/" in page) == (True, False)
    assert "curl https://billing.example.com/api/v1/usage" in page


def test_only_a_customer_is_made_where_nothing_else_is_asked_for(operator_client):
    page = text(operator_client.post(PAGE, sent(owner_email="", scopes=[])))

    assert Customer.objects.filter(code="initech").exists()
    assert (Invitation.objects.count(), ServiceKey.objects.count()) == (0, 0)
    assert "Nobody is invited yet" in page


def test_limits_are_in_force_at_once(operator_client, turbo):
    page = text(operator_client.post(PAGE, sent(**{f"rpm_{turbo.pk}": "120", f"tpm_{turbo.pk}": "900,000"})))

    limits = CallSpecification.objects.get(customer__code="initech")
    assert (limits.service, limits.rpm, limits.tpm, limits.ends_at) == (turbo, 120, 900_000, None)
    assert limits.begins_at <= timezone.now()
    assert "SenseChat-Turbo: 120 RPM, 900,000 TPM, from now on" in page


def test_a_percentage_off_makes_own_prices_from_the_next_hour(operator_client, turbo):
    operator_client.post(PAGE, sent(percent_off="10", reduced=[turbo.pk]))

    own = Price.objects.filter(customer__code="initech")
    assert {one.billing_item.service for one in own} == {turbo}
    for one in own:
        listed = one.billing_item.prices.get(customer=None)
        assert (one.kind, one.unit_price) == ("list_price", listed.unit_price * Decimal("0.9"))
        assert (one.begins_at.minute, one.ends_at, one.begins_at > timezone.now()) == (0, None, True)


def test_a_price_given_for_an_item_counts_before_the_percentage(operator_client, turbo):
    dear, plain = item("SenseChat-Turbo", "input_tokens"), item("SenseChat-Turbo", "output_tokens")
    fields = {"percent_off": "50", "reduced": [turbo.pk], f"price_{dear.pk}": "9", "confirmed": "yes"}

    page = text(operator_client.post(PAGE, sent(**fields)))

    own = Price.objects.filter(customer__code="initech")
    assert own.get(billing_item=dear).unit_price == 9
    assert own.get(billing_item=plain).unit_price < 9
    assert "9 RMB/thousand tokens dearer than everybody's" in page


def test_a_price_that_differs_steeply_is_confirmed_first(operator_client):
    dear = item("SenseChat-Turbo", "input_tokens")
    before = counts()

    asked = operator_client.post(PAGE, sent(**{f"price_{dear.pk}": "9"}))

    assert counts() == before
    assert "Tick that the figures named under own prices are meant" in text(asked)
    assert "SenseChat-Turbo input tokens for initech from 0.002 to 9 RMB/thousand tokens" in text(asked)
    operator_client.post(PAGE, sent(**{f"price_{dear.pk}": "9", "confirmed": "yes"}))
    assert Price.objects.get(customer__code="initech").unit_price == 9


def test_prices_wait_for_approval_and_the_rest_is_made(operator_client, turbo, settings):
    settings.PRICE_CHANGES_NEED_APPROVAL = True

    page = text(operator_client.post(PAGE, sent(percent_off="10", reduced=[turbo.pk])))

    assert not Price.objects.filter(customer__code="initech").exists()
    assert ServiceKey.objects.get().customer == Customer.objects.get(code="initech")
    proposal = Proposal.objects.get()
    assert (proposal.proposed_by, proposal.reason) == (OPERATOR, "Signed on Monday.")
    assert "Proposed : they wait until a second person approves them" in page


def test_a_proposal_of_own_prices_can_be_approved(operator_client, turbo, settings):
    settings.PRICE_CHANGES_NEED_APPROVAL = True
    operator_client.post(PAGE, sent(percent_off="10", reduced=[turbo.pk]))
    settings.PRICE_CHANGES_NEED_APPROVAL = False
    proposal = Proposal.objects.get()
    seen = operator_client.get(reverse("admin:pricing_proposal_change", args=[proposal.pk])).context[
        "preview"
    ]

    decide_proposal(
        proposal=proposal,
        decision=Decision.APPROVED,
        by="second@sensenova.example",
        now=timezone.now(),
        seen=seen.fingerprint,
    )

    assert Price.objects.filter(customer__code="initech").count() == turbo.billing_items.count()


def test_the_audit_trail_has_everything_with_author_and_reason(operator_client, turbo):
    latest = AuditEntry.objects.latest("pk").pk
    operator_client.post(PAGE, sent(percent_off="10", reduced=[turbo.pk], **{f"rpm_{turbo.pk}": "9"}))

    entries = AuditEntry.objects.filter(pk__gt=latest)
    assert {(one.by, one.reason, one.deed) for one in entries} == {(OPERATOR, "Signed on Monday.", "added")}
    assert {one.table for one in entries} >= {
        "accounts_customer",
        "accounts_invitation",
        "accounts_servicekey",
        "pricing_callspecification",
        "pricing_price",
    }
    assert len({one.transaction for one in entries}) == 1


# --- All or nothing ------------------------------------------------------------------------------------


def test_a_price_that_is_refused_at_the_end_leaves_nothing(turbo):
    past = timezone.now() - dt.timedelta(hours=2)
    prices = agree_prices(
        code="initech", items=turbo.billing_items.all(), percent_off=Decimal(10), begins_at=past
    )
    before = counts()

    with pytest.raises(ChangesRefused, match="A price begins in the future"):
        onboard(
            owner_email=OWNER,
            key=NewKey(name="key", scopes=["usage:write"]),
            limits=[NewLimits(service=turbo, rpm=5)],
            prices=prices,
        )

    assert counts() == before


def test_limits_that_are_refused_leave_nothing(turbo):
    before = counts()

    with pytest.raises(ChangesRefused):
        onboard(owner_email=OWNER, limits=[NewLimits(service=turbo, rpm=0)])

    assert counts() == before


def test_a_key_that_exists_leaves_nothing(turbo):
    issue_service_key(name="gateway", public_id="abcdefabcdef")
    before = counts()

    with pytest.raises(IntegrityError, match="a_service_key_has_its_own_public_id"):
        onboard(owner_email=OWNER, key=NewKey(name="key", scopes=["usage:write"], public_id="abcdefabcdef"))

    assert counts() == before


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"code": "acme"}, "code", "exists already"),
        ({"code": "a b"}, "code", "Letters, digits, dot, dash, underscore."),
        ({"name": ""}, "name", "required"),
        ({"time_zone": "Mars/Olympus"}, "time_zone", "is not a time zone"),
        ({"owner_email": "nora"}, "owner_email", "valid email"),
        ({"scopes": ["root"]}, "scopes", "not one of the available choices"),
        ({"scopes": [], "key_name": "gateway"}, "scopes", "Choose what the key may be used for."),
        ({"percent_off": "10"}, "percent_off", "Tick the services"),
        ({"percent_off": "101"}, "percent_off", "less than or equal to 100"),
        ({"reason": ""}, "reason", "Give a reason"),
    ],
)
def test_an_error_is_at_its_field_and_on_top_and_nothing_is_made(fields, field, words, operator_client, acme):
    before = counts()

    answer = operator_client.post(PAGE, sent(**fields))

    assert words in answer.context["form"].errors[field][0]
    assert text(answer).count(answer.context["form"].errors[field][0]) == 2
    assert "Nothing was made." in text(answer)
    assert counts() == before


def test_a_tpm_without_an_rpm_is_refused_at_the_service(operator_client, turbo):
    answer = operator_client.post(PAGE, sent(**{f"tpm_{turbo.pk}": "9000"}))

    assert answer.context["form"].errors == {f"rpm_{turbo.pk}": ["Give the RPM too."]}
    assert answer.context["form"].limits_open


def test_services_without_a_percentage_are_refused(operator_client, turbo):
    answer = operator_client.post(PAGE, sent(reduced=[turbo.pk]))

    assert list(answer.context["form"].errors) == ["percent_off"]
    assert f'value="{turbo.pk}" checked' in answer.content.decode()


def test_a_percentage_off_a_free_trial_is_refused_by_the_name_of_the_item(operator_client):
    vision = Service.objects.get(name="SenseChat-Vision")

    answer = operator_client.post(PAGE, sent(percent_off="10", reduced=[vision.pk]))

    assert "SenseChat-Vision" in answer.context["form"].errors["percent_off"][0]
    assert not Customer.objects.filter(code="initech").exists()


def test_a_page_that_is_sent_twice_makes_one_customer_and_says_so(operator_client):
    fields = sent(new_id=operator_client.get(PAGE).context["form"]["new_id"].value())
    operator_client.post(PAGE, fields)
    before = counts()

    again = text(operator_client.post(PAGE, fields))

    assert counts() == before
    assert f"This page made the key sk_live_{fields['new_id']} before." in again


# --- Who may ---------------------------------------------------------------------------------------------


def test_a_person_who_may_only_add_customers_gets_no_other_section(turbo):
    client = staff_client("add_customer")
    price = item("SenseChat-Turbo", "input_tokens")
    fields = {f"rpm_{turbo.pk}": "9", f"price_{price.pk}": "1", "percent_off": "10", "reduced": [turbo.pk]}

    assert client.get(PAGE).context["form"].sections == set()
    client.post(PAGE, sent(**fields))

    assert Customer.objects.filter(code="initech").exists()
    assert (Invitation.objects.count(), ServiceKey.objects.count()) == (0, 0)
    assert not CallSpecification.objects.filter(customer__code="initech").exists()
    assert not Price.objects.filter(customer__code="initech").exists()


def test_without_the_right_to_prices_the_section_is_missing():
    client = staff_client("add_customer", "add_user", "add_servicekey", "add_callspecification")

    page = client.get(PAGE)

    assert page.context["form"].sections == {"owner", "key", "limits"}
    assert ("Own limits" in text(page), "Own prices" in text(page)) == (True, False)


def test_limits_obey_approval_as_their_own_page_does(settings):
    settings.PRICE_CHANGES_NEED_APPROVAL = True
    client = staff_client("add_customer", "add_callspecification", "change_price")

    assert client.get(PAGE).context["form"].sections == {"prices"}


@pytest.mark.parametrize("role", [Role.VIEWER, Role.PRICE_EDITOR])
def test_other_roles_do_not_onboard(role):
    client = Client()
    person = User.objects.create_user("clerk@sensenova.example", is_staff=True, role=role)
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")

    assert [client.get(PAGE).status_code, client.post(PAGE, sent()).status_code] == [403, 403]
    assert "Onboard a customer" not in text(client.get("/admin/accounts/customer/"))


def test_the_list_of_customers_leads_to_it(operator_client):
    page = operator_client.get("/admin/accounts/customer/").content.decode()
    address = reverse("admin:accounts_customer_onboard")

    assert address in page
    assert operator_client.get(address)["Location"] == PAGE


def test_the_page_takes_few_queries(operator_client):
    get_within(operator_client, PAGE, queries=12)
