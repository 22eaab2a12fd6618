"""Each role may do what docs/roles.md says, page by page, and nothing else."""

import re

import pytest
from django.contrib.auth.models import Permission
from django.db import IntegrityError
from django.urls import reverse

from accounts.api_keys.keys import issue_service_key
from accounts.models import AuditEntry, Customer, Member, Role, ServiceKey, User
from invoices.models import ParkedHour
from pricing.models import CallSpecification, Price, Service, ServiceAlias
from tests.browsing import Browser
from tests.builders import at, close, record, report
from tests.conftest import PASSWORD
from tests.invoices.einvoices.builders import requested, with_tax_data
from tests.invoices.payments.builders import called_back, ordered
from tests.packages import buy
from tests.tables import table
from tests.usage.quarantine.builders import in_quarantine

pytestmark = pytest.mark.django_db

ROLES = {"none": "", "viewer": "viewer", "price editor": "price_editor", "billing admin": "billing_admin"}
APPROVERS_ONLY = "need the right to approve price changes"
PAGES = table("roles.md", "method", "page", *ROLES)
MODEL_BACKEND = "django.contrib.auth.backends.ModelBackend"


def person(role, **fields):
    """A person who works for SenseNova in this role."""
    email = f"{role or 'nobody'}@sensenova.example"
    return User.objects.create_user(email, PASSWORD, is_staff=True, role=role, **fields)


def client_of(user):
    """This person's browser, signed in."""
    client = Browser()
    client.force_login(user, backend=MODEL_BACKEND)
    return client


@pytest.fixture
def one_of_each(acme, alice, settings):
    """Of each model a row whose number is 1 in the table; 2 is a colleague."""
    issue_service_key(name="gateway")
    ServiceAlias.objects.create(alias="gpt-x", service=Service.objects.earliest("pk"))
    settings.PARK_ABOVE_AMOUNT = 0
    record(report())
    close()
    payment = ordered(acme)
    called_back(payment, amount="90")
    colleague = User.objects.create_user("colleague@sensenova.example", is_staff=True)
    return {
        "accounts/customer": (acme.pk,),
        "accounts/user": (alice.pk, colleague.pk),
        "accounts/servicekey": (ServiceKey.objects.get().pk,),
        "accounts/auditentry": (AuditEntry.objects.latest("pk").pk,),
        "pricing/price": (Price.objects.earliest("pk").pk,),
        "pricing/callspecification": (CallSpecification.objects.earliest("pk").pk,),
        "pricing/service": (Service.objects.earliest("pk").pk,),
        "pricing/servicealias": (ServiceAlias.objects.get().pk,),
        "invoices/einvoicerequest": (requested(with_tax_data(acme)).pk,),
        "invoices/parkedhour": (ParkedHour.objects.get().pk,),
        "invoices/paymentcallback": (payment.callbacks.get().pk,),
        "pricing/quotapackage": (buy(acme, now=at(70)).pk,),
        "usage/quarantinedusage": (in_quarantine().pk,),
    }


@pytest.mark.parametrize("role", ROLES)
def test_each_role_may_do_what_the_documentation_says(role, one_of_each):
    client = client_of(person(ROLES[role]))
    answers = {
        (method, page): getattr(client, method.lower())(_address(page, one_of_each)).status_code
        for method, page, *_ in PAGES
    }

    expected = {(method, page): dict(zip(ROLES, cells, strict=True))[role] for method, page, *cells in PAGES}
    assert set(expected.values()) <= {"yes", "no"}
    assert {key: "no" if status == 403 else "yes" for key, status in answers.items()} == expected
    assert set(answers.values()) <= {200, 302, 403}


def _address(page, numbers):
    path = page.split("`")[1]
    for model, ones in numbers.items():
        for place, number in enumerate(ones, start=1):
            path = re.sub(rf"^{model}/{place}/", f"{model}/{number}/", path)
    return f"/admin/{path}"


@pytest.mark.parametrize("role", [role for role in ROLES.values() if role])
def test_a_role_sees_the_sections_that_it_may_see(role):
    page = client_of(person(role)).get(reverse("admin:index")).content.decode()

    for model in ("accounts_auditentry", "pricing_price", "invoices_hourlybill"):
        assert reverse(f"admin:{model}_changelist") in page


def test_only_a_billing_admin_may_approve_prices():
    assert [role for role in ROLES.values() if person(role).has_perm("pricing.approve_price")] == [
        "billing_admin"
    ]


APPROVED = table("roles.md", "method", "page that obeys approval", *ROLES)


@pytest.mark.parametrize("role", ROLES)
def test_where_changes_need_approval_only_approvers_change_the_catalogue_alone(role, one_of_each, settings):
    settings.PRICE_CHANGES_NEED_APPROVAL = True
    client = client_of(person(ROLES[role]))

    for method, page, *cells in APPROVED:
        answer = getattr(client, method.lower())(_address(page, one_of_each))
        expected = dict(zip(ROLES, cells, strict=True))[role]
        assert (answer.status_code == 403) == (expected == "no"), page
        assert answer.status_code in {200, 302, 403}


def test_an_editor_does_not_turn_an_alias_where_changes_need_approval(one_of_each, settings):
    alias, other = ServiceAlias.objects.get(), Service.objects.latest("pk")
    page = reverse("admin:pricing_servicealias_change", args=[alias.pk])
    sent = {"alias": alias.alias, "service": other.pk, "reason": "It moved."}
    settings.PRICE_CHANGES_NEED_APPROVAL = True

    refused = client_of(person(Role.PRICE_EDITOR)).post(page, sent)
    before = ServiceAlias.objects.get().service
    client_of(person(Role.BILLING_ADMIN)).post(page, sent)

    assert (refused.status_code, before) == (403, alias.service)
    assert ServiceAlias.objects.get().service == other


OBEYING = ("servicealias", "callspecification", "service", "servicegroup")


@pytest.mark.parametrize("model", OBEYING)
def test_an_editor_reads_that_approvers_may_change_it_and_what_to_do_instead(model, one_of_each, settings):
    first = Price._meta.apps.get_model("pricing", model).objects.earliest("pk")
    pages = [reverse(f"admin:pricing_{model}_changelist")]
    pages += [reverse(f"admin:pricing_{model}_change", args=[first.pk])]
    settings.PRICE_CHANGES_NEED_APPROVAL = True

    clients = {role: client_of(person(role)) for role in (Role.VIEWER, Role.PRICE_EDITOR, Role.BILLING_ADMIN)}
    expected = {
        (role, APPROVERS_ONLY in client.get(page).content.decode())
        for role, client in clients.items()
        for page in pages
    }

    assert expected == {(Role.VIEWER, False), (Role.PRICE_EDITOR, True), (Role.BILLING_ADMIN, False)}


def test_an_editor_reads_no_notice_where_changes_need_no_approval(one_of_each):
    page = client_of(person(Role.PRICE_EDITOR)).get(reverse("admin:pricing_servicealias_changelist"))

    assert APPROVERS_ONLY not in page.content.decode()


def test_only_a_billing_admin_may_reverse(acme):
    record(report())
    page = f"{reverse('usage_record')}?customer=acme&event_id=call-1"

    may = {role: b"Reverse record" in client_of(person(role)).get(page).content for role in ROLES.values()}

    assert [role for role, does in may.items() if does] == ["billing_admin"]


def test_all_rights_of_a_role_are_listed_as_permissions_that_exist():
    listed = {role: person(role).get_all_permissions() for role in ROLES.values()}
    exist = {f"{one.content_type.app_label}.{one.codename}" for one in Permission.objects.all()}

    assert listed[""] == set()
    assert listed["viewer"] < listed["price_editor"] < listed["billing_admin"] <= exist
    assert {name for name in listed["viewer"] if ".view_" not in name} == set()
    assert "pricing.approve_price" in listed["billing_admin"] - listed["price_editor"]
    assert not [name for name in listed["billing_admin"] if name.startswith("auth.")]


def test_what_is_permitted_to_a_person_comes_on_top_of_the_role():
    viewer = person(Role.VIEWER)
    viewer.user_permissions.add(Permission.objects.get(codename="add_customer"))

    assert client_of(viewer).get(reverse("admin:accounts_customer_add")).status_code == 200


def test_a_role_ends_when_the_person_is_no_longer_active():
    admin = person(Role.BILLING_ADMIN, is_active=False)

    assert not admin.has_perm("pricing.view_price")
    assert not admin.has_module_perms("pricing")


def test_a_role_is_for_people_who_may_use_the_admin(alice):
    with pytest.raises(IntegrityError, match="a_role_is_for_people_who_may_use_the_admin"):
        User.objects.filter(pk=alice.pk).update(role=Role.VIEWER)


def test_a_role_is_a_known_one():
    with pytest.raises(IntegrityError, match="a_role_is_a_known_one"):
        person("emperor")


# --- Who gives roles ----------------------------------------------------------------------------------


def test_a_superuser_gives_a_role(alice, operator_client):
    fields = {"email": alice.email, "time_zone": "UTC", "is_active": "on", "is_staff": "on"}
    fields |= {"role": "viewer", "reason": "Joins."}

    operator_client.post(reverse("admin:accounts_user_change", args=[alice.pk]), fields)

    alice.refresh_from_db()
    assert alice.role == Role.VIEWER
    entry = AuditEntry.objects.filter(table="accounts_user").latest("pk")
    assert ((entry.after or {})["role"], entry.reason) == ("viewer", "Joins.")


def test_the_form_says_that_a_role_is_for_staff(alice, operator_client):
    fields = {"email": alice.email, "is_active": "on", "role": "viewer"}

    answer = operator_client.post(reverse("admin:accounts_user_change", args=[alice.pk]), fields)

    assert "A role is for people who may use the admin" in answer.content.decode()


def test_a_billing_admin_gives_no_roles(alice):
    client = client_of(person(Role.BILLING_ADMIN))
    fields = {"email": alice.email, "name": "Alice", "time_zone": "UTC", "is_active": "on"}
    fields |= {"is_staff": "on", "role": "billing_admin", "is_superuser": "on"}

    answer = client.post(reverse("admin:accounts_user_change", args=[alice.pk]), fields)

    alice.refresh_from_db()
    assert (answer.status_code, alice.name) == (302, "Alice")
    assert (alice.is_staff, alice.role, alice.is_superuser) == (False, "", False)


def test_a_billing_admin_does_not_raise_a_colleague_or_themselves():
    admin = person(Role.BILLING_ADMIN)
    url = reverse("admin:accounts_user_change", args=[admin.pk])

    assert client_of(admin).post(url, {"email": admin.email, "is_superuser": "on"}).status_code == 403


def test_a_billing_admin_adds_members(acme, bob):
    client = client_of(person(Role.BILLING_ADMIN))
    total = {"members-TOTAL_FORMS": 1, "members-INITIAL_FORMS": 0, "members-0-user": bob.pk}
    total |= {"members-0-role": "viewer"}
    fields = {"name": "Acme Ltd", "time_zone": "Asia/Shanghai", "reason": "New in their team."} | total
    fields |= {"members-0-role": "viewer"}

    client.post(reverse("admin:accounts_customer_change", args=[acme.pk]), fields)

    assert Member.objects.filter(customer=Customer.objects.get(code="acme"), user=bob).exists()
    entry = AuditEntry.objects.filter(table="accounts_member").latest("pk")
    assert (entry.by, entry.reason) == ("billing_admin@sensenova.example", "New in their team.")
