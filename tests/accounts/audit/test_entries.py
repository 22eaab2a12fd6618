"""Every change leaves its entry, whatever made it: author, time, reason, before and after; and no secret."""

import datetime as dt
import re

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts.api_keys.keys import issue_service_key, recognise_service_key, revoke_service_key
from accounts.audit.context import audit_context, set_audit_context
from accounts.audit.entries import audited_tables, changes_of, rows_in_words
from accounts.models import AuditAction, AuditEntry, Customer, Member, ServiceKey, User
from invoices.books.constraints import APPEND_ONLY
from pricing.models import BillingItem, CallSpecification, Price, Service
from tests.builders import item, price

pytestmark = pytest.mark.django_db

CUSTOMER_COLUMNS = {"id", "code", "name", "time_zone", "is_suspended", "created_at"}
CUSTOMER_COLUMNS |= {"due_days", "grace_days", "notice_days", "suspended_for_arrears_at"}
CUSTOMER_COLUMNS |= {"pays_ahead", "credit_limit", "low_balance_hours", "suspended_for_credit_at"}
CUSTOMER_COLUMNS |= {"suspended_balance", "suspended_limit"}
CUSTOMER_COLUMNS |= {"legal_name", "tax_id", "address", "billing_email"}
CUSTOMER_COLUMNS |= {"country", "invoice_kind", "phone", "bank_name", "bank_account"}

# All six digits count: PostgreSQL writes no zeros at the end.
TOMORROW = (timezone.now() + dt.timedelta(days=1)).replace(microsecond=123_456)


@pytest.fixture
def entries(db):
    """Ask for the entries that were written since the test began, oldest first."""
    before = AuditEntry.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    return lambda **wanted: list(AuditEntry.objects.filter(pk__gt=before, **wanted).order_by("pk"))


def execute(statement, *values):
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def fields_of(row):
    """What a row holds."""
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


# --- Whatever the way ---------------------------------------------------------------------------------


def test_what_is_added_is_written_down_whole(entries):
    with audit_context(by="operator@sensenova.example", reason="Signed the contract."):
        acme = Customer.objects.create(code="acme", name="Acme Ltd")

    (entry,) = entries()
    assert (entry.by, entry.reason) == ("operator@sensenova.example", "Signed the contract.")
    assert (entry.deed, entry.table, entry.row) == (AuditAction.ADDED, "accounts_customer", str(acme.pk))
    assert entry.before is None
    assert set(entry.after) == CUSTOMER_COLUMNS
    assert entry.after["name"] == "Acme Ltd"
    assert abs(timezone.now() - entry.at) < dt.timedelta(minutes=1)


WAYS = {
    "save": lambda row: Customer(**(fields_of(row) | {"name": "New"})).save(),
    "update": lambda row: Customer.objects.filter(pk=row.pk).update(name="New"),
    "bulk_update": lambda row: Customer.objects.bulk_update(
        [Customer(**(fields_of(row) | {"name": "New"}))], ["name"]
    ),
    "update_or_create": lambda row: Customer.objects.update_or_create(
        code=row.code, defaults={"name": "New"}
    ),
    "raw SQL": lambda row: execute("UPDATE accounts_customer SET name = 'New' WHERE id = %s", row.pk),
    "as a replica": lambda row: execute(
        "SET LOCAL session_replication_role = replica;"
        "UPDATE accounts_customer SET name = 'New' WHERE id = %s",
        row.pk,
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_change_is_written_down_whatever_makes_it(way, entries, acme):
    WAYS[way](acme)

    (added, changed) = entries()
    assert (changed.deed, changed.row) == (AuditAction.CHANGED, str(acme.pk))
    assert (changed.before, changed.after) == (added.after, added.after | {"name": "New"})


def test_rows_that_are_added_at_once_have_an_entry_each(entries):
    made = Customer.objects.bulk_create(Customer(code=f"c{n}", name="One of many") for n in range(3))

    assert [(one.deed, one.row) for one in entries()] == [(AuditAction.ADDED, str(row.pk)) for row in made]


def test_a_removed_row_is_stored_in_its_entry(entries, acme, alice):
    member = alice.memberships.get()
    number = member.pk

    with audit_context(by="operator@sensenova.example"):
        member.delete()

    entry = entries(table="accounts_member")[-1]
    assert (entry.deed, entry.row, entry.after) == (AuditAction.REMOVED, str(number), None)
    assert entry.before == {"id": number, "customer_id": acme.pk, "user_id": alice.pk, "role": "owner"}


def test_an_update_that_changes_nothing_has_no_entry(entries, acme):
    acme.save()

    assert [one.deed for one in entries()] == [AuditAction.ADDED]


def test_a_change_that_is_taken_back_has_no_entry(entries, acme):
    with transaction.atomic():
        acme.delete()
        transaction.set_rollback(True)

    assert [one.deed for one in entries()] == [AuditAction.ADDED]


def test_each_change_of_a_transaction_has_its_entry_in_order(entries, acme):
    for name in ("First", "Second"):
        Customer.objects.filter(pk=acme.pk).update(name=name)

    assert [one.after["name"] for one in entries()] == ["Acme Ltd", "First", "Second"]


def test_a_price_is_recorded_to_the_digit_and_its_time_in_utc(entries):
    execute("SET LOCAL timezone = 'Asia/Shanghai'")
    made = price("SenseChat-5", "output_tokens", "0.1", begins_at=TOMORROW, kind="limited_time_offer")

    (entry,) = entries(table="pricing_price")
    assert entry.row == str(made.pk)
    assert entry.after["unit_price"] == "0.10000000"
    assert entry.after["begins_at"] == TOMORROW.isoformat()


@pytest.mark.parametrize("model", [Service, BillingItem, Price, CallSpecification])
def test_the_catalogue_is_under_audit(model, entries):
    row = model.objects.order_by("pk").first()

    with pytest.raises(IntegrityError), transaction.atomic():
        execute(f"TRUNCATE {model._meta.db_table} CASCADE")

    assert AuditEntry.objects.filter(
        table=model._meta.db_table, row=str(row.pk), deed=AuditAction.ADDED
    ).exists()


# --- Who and why --------------------------------------------------------------------------------------


def test_who_did_not_sign_is_named_as_the_role_in_the_database(entries, acme):
    (entry,) = entries()

    assert re.fullmatch(r"database role \w+", entry.by)
    assert entry.reason == ""


def test_a_signature_ends_with_its_transaction(transactional_db):
    with audit_context(by="operator@sensenova.example", reason="Once."):
        Customer.objects.create(code="first", name="First")
    Customer.objects.create(code="second", name="Second")

    last = AuditEntry.objects.latest("pk")
    assert ((last.after or {})["code"], last.by.split(" ")[0], last.reason) == ("second", "database", "")


def test_a_signature_outside_a_transaction_is_refused(transactional_db):
    with pytest.raises(transaction.TransactionManagementError):
        set_audit_context(by="operator@sensenova.example")


def test_the_catalogues_command_signs(entries):
    BillingItem.objects.filter(service__name="nova-tts-1").update(measure="input_tokens")

    call_command("load_catalogue")

    assert {one.by for one in entries(deed=AuditAction.ADDED)} == {"load_catalogue"}


# --- Secrets and noise --------------------------------------------------------------------------------


def everything(entries):
    """The text of all that these entries hold."""
    return "".join(f"{one.before}{one.after}{one.reason}{one.by}" for one in entries())


def test_a_key_is_written_down_without_its_secret(entries, acme):
    key, text = issue_service_key(name="gateway", customers=[acme])
    ServiceKey.objects.filter(pk=key.pk).update(secret_sha256=b"x" * 32)
    revoke_service_key(key=key, now=TOMORROW)
    ServiceKey.objects.filter(pk=key.pk).delete()

    of_key = entries(table="accounts_servicekey")
    assert [one.deed for one in of_key] == ["added", "changed", "changed", "removed"]
    assert of_key[1].after["secret_sha256"] == "(changed)"
    assert "secret_sha256" not in of_key[0].after
    written = everything(entries)
    assert text.split("_", maxsplit=3)[3] not in written
    assert bytes(key.secret_sha256).hex() not in written
    assert b"x".hex() * 32 not in written


def test_the_last_use_of_a_key_has_no_entry(entries):
    _, text = issue_service_key(name="gateway")

    recognise_service_key(text=text, now=timezone.now())

    assert ServiceKey.objects.get().last_used_at is not None
    assert [one.deed for one in entries()] == [AuditAction.ADDED]
    assert "last_used_at" not in entries()[0].after


def test_a_password_is_not_written_down_but_that_it_changed_is(entries, alice):
    first = alice.password
    alice.set_password("another correct horse")
    alice.save()

    added, changed = entries(table="accounts_user")
    assert "password" not in added.after
    assert (changed.before["password"], changed.after["password"]) == ("(not kept)", "(changed)")
    assert first not in everything(entries)
    assert alice.password not in everything(entries)
    assert "another correct horse" not in everything(entries)


def test_signing_in_has_no_entry(entries, alice):
    User.objects.filter(pk=alice.pk).update(last_login=timezone.now())

    assert [one.deed for one in entries(table="accounts_user")] == [AuditAction.ADDED]


def test_a_right_that_is_given_and_taken_has_entries(entries, alice):
    right = Permission.objects.get(codename="view_price")
    alice.user_permissions.add(right)
    alice.user_permissions.clear()

    given, taken = entries(table="accounts_user_user_permissions")
    assert (given.deed, taken.deed) == (AuditAction.ADDED, AuditAction.REMOVED)
    assert taken.before["permission_id"] == right.pk
    assert rows_in_words([taken])[taken.pk] == f"{alice} - {right}"


# --- Kept as it is ------------------------------------------------------------------------------------

REFUSED = {
    "UPDATE": "UPDATE accounts_auditentry SET by = 'somebody else'",
    "an UPDATE of no row": "UPDATE accounts_auditentry SET by = 'somebody else' WHERE false",
    "DELETE": "DELETE FROM accounts_auditentry",
    "TRUNCATE": "TRUNCATE accounts_auditentry",
    "as a replica": "SET LOCAL session_replication_role = replica; DELETE FROM accounts_auditentry",
}


@pytest.mark.parametrize("way", REFUSED)
def test_an_entry_is_never_changed(way, acme):
    with pytest.raises(IntegrityError, match="the audit trail is never changed"), transaction.atomic():
        execute(REFUSED[way])

    assert AuditEntry.objects.filter(table="accounts_customer", row=str(acme.pk)).count() == 1


def test_every_table_under_audit_refuses_truncate():
    tables = audited_tables()

    assert len(tables) == 29
    for table in tables:
        with pytest.raises(IntegrityError, match="under audit: use DELETE"), transaction.atomic():
            execute(f"TRUNCATE {table} CASCADE")


def test_every_model_that_the_admin_edits_is_under_audit_or_never_changes(rf, operator):
    """A new one that is not fails here: see docs/audit.md."""
    request = rf.get("/")
    request.user = operator
    edited = set()
    for model_admin in admin.site._registry.values():
        for one in (model_admin, *model_admin.get_inline_instances(request)):
            if _lets_change(one, request):
                edited.add(one.model)
    linked = {link.remote_field.through for model in edited for link in model._meta.many_to_many}
    of_ours = {model for model in edited | linked if model._meta.app_label in OURS} - set(APPEND_ONLY)

    # There are no groups: permissions are given to people. Prices and package products are changed by
    # actions, proposals decided, packages bought and renewed, customers viewed.
    edited_tables = {model._meta.db_table for model in of_ours} - {"accounts_user_groups"}
    by_deeds = {"pricing_price", "pricing_billingitem", "pricing_proposal", "pricing_quotapackage"}
    by_deeds |= {"pricing_packageproduct", "pricing_packageterms", "pricing_termsweight"}
    by_deeds |= {"pricing_packageterms_services", "pricing_packageterms_groups", "invoices_packagerenewal"}
    by_deeds |= {"accounts_customerview", "accounts_webhookendpoint", "usage_budget"}
    by_deeds |= {
        "invoices_einvoicerequest",
        "accounts_invitation",
        "otp_totp_totpdevice",
        "otp_static_staticdevice",
    }
    by_deeds |= {"otp_static_statictoken"}
    assert edited_tables | by_deeds == set(audited_tables())


OURS = {"accounts", "pricing", "usage", "invoices"}


def _lets_change(model_admin, request):
    arguments = (request, None)
    may_add = model_admin.has_add_permission(*arguments[: 2 if hasattr(model_admin, "parent_model") else 1])
    return (
        may_add
        or model_admin.has_change_permission(*arguments)
        or model_admin.has_delete_permission(*arguments)
    )


# --- In words -----------------------------------------------------------------------------------------


def test_tables_are_named_in_words():
    names = list(audited_tables().values())

    assert {"Price", "Customer", "Call specification", "Customer of a service key"} <= set(names)
    assert names == sorted(names)


def test_a_change_names_what_numbers_stand_for(entries, acme):
    made = price("SenseChat-5", "input_tokens", "0.03", begins_at=TOMORROW, customer=acme)

    (entry,) = entries(table="pricing_price")
    values = {one.column: one.after for one in changes_of(entry)}
    assert values["billing item"] == f"{item('SenseChat-5', 'input_tokens')} (number {made.billing_item_id})"
    assert values["customer"] == f"acme (number {acme.pk})"


def test_rows_of_all_tables_are_named_by_one_statement(entries, acme, globex, django_assert_num_queries):
    for customer in (acme, globex):
        price("SenseChat-5", "input_tokens", "0.03", begins_at=TOMORROW, customer=customer)
    written = entries()

    with django_assert_num_queries(1):
        names = rows_in_words(written)

    assert list(names.values())[:2] == ["acme", "globex"]


def test_a_row_that_is_gone_is_called_what_it_was(entries, acme):
    Customer.objects.filter(pk=acme.pk).delete()

    (_, removed) = entries()
    assert rows_in_words([removed]) == {removed.pk: "acme"}


def test_models_of_ours_name_their_tables_once():
    assert Member._meta.db_table in audited_tables()
    assert set(audited_tables()) <= {one._meta.db_table for one in apps.get_models(include_auto_created=True)}
