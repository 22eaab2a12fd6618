"""Checks that the database's triggers and constraints that protect the books are in force."""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.db import connection, models

from accounts.models import AuditEntry
from invoices.books.compare import Findings
from invoices.models import (
    AccountEntry,
    AccountTransaction,
    Adjustment,
    BankImport,
    CallbackReview,
    ChargeLine,
    EInvoiceItem,
    EInvoiceRequest,
    HourlyBill,
    HourSeal,
    ImportedPayment,
    PackageCredit,
    PackageDraw,
    PackagePurchase,
    PackageRefund,
    ParkedHour,
    PaymentCallback,
    QuotaOverrun,
    Release,
    Rerating,
    Statement,
    Verification,
)
from pricing.models import BillingItem, MethodPeriod, PackageTerms, PackageWeight, Price, QuotaPackage
from sensenova_billing.lib.database.statements import load_statement
from usage.distribution.cluster import read_cluster, unguarded_shards
from usage.models import ArchivedEvent, BillingHour, UsageArchive, UsageRecord

APPEND_ONLY: dict[type[models.Model], str] = {
    BillingHour: "closed_hours_are_append_only",
    HourlyBill: "bills_are_append_only",
    ChargeLine: "charge_lines_are_append_only",
    HourSeal: "seals_are_append_only",
    Rerating: "reratings_are_append_only",
    ParkedHour: "parked_hours_are_append_only",
    Release: "releases_are_append_only",
    Verification: "verifications_are_append_only",
    PackagePurchase: "purchases_are_append_only",
    PackageDraw: "draws_are_append_only",
    QuotaOverrun: "overruns_are_append_only",
    PackageRefund: "refunds_are_append_only",
    PackageCredit: "credits_are_append_only",
    Statement: "statements_are_append_only",
    AccountTransaction: "account_transactions_are_append_only",
    AccountEntry: "account_entries_are_append_only",
    BankImport: "bank_imports_are_append_only",
    ImportedPayment: "imported_payments_are_append_only",
    PaymentCallback: "payment_callbacks_are_append_only",
    CallbackReview: "callback_reviews_are_append_only",
}
# Rows that leave by a rule: the trigger that refuses other changes, the rule's trigger, and its function.
REMOVED_BY_RULE: dict[type[models.Model], tuple[str, str, str]] = {
    UsageRecord: (
        "usage_records_are_append_only",
        "usage_records_are_removed_only_to_an_archive",
        "require_an_archive",
    ),
    ArchivedEvent: (
        "archived_events_are_append_only",
        "archived_events_are_removed_only_for_their_records",
        "require_the_record",
    ),
}
OTHERS: dict[type[models.Model], tuple[str, ...]] = {
    UsageArchive: (
        "archives_are_never_deleted",
        "an_archive_is_only_restored",
        "archived_hours_hold_no_records",
    ),
    AccountTransaction: ("a_transaction_has_entries",),
    AccountEntry: ("account_entries_add_up_to_zero",),
    Adjustment: ("an_adjustment_is_decided_once",),
    EInvoiceRequest: (
        *("an_einvoice_only_goes_on", "an_einvoice_releases_its_statements", "an_einvoice_has_statements"),
        "changes_are_audited",
    ),
    EInvoiceItem: (
        "an_einvoice_keeps_its_statements",
        "an_einvoice_is_the_sum_of_its_statements",
        "einvoice_items_are_not_truncated",
    ),
    Price: (
        "a_begun_price_only_moves_its_end",
        "an_item_on_sale_always_has_a_price",
        "a_price_changes_open_hours_only",
        "changes_are_audited",
    ),
    BillingItem: ("an_item_on_sale_always_has_a_price", "changes_are_audited"),
    PackageTerms: ("begun_package_terms_only_move_their_end",),
    QuotaPackage: ("a_package_only_ends",),
    PackageWeight: ("a_package_keeps_its_weights",),
    MethodPeriod: (
        "a_method_period_only_ends_earlier",
        "a_method_period_is_never_deleted",
        "a_method_begins_in_an_open_hour",
        "a_method_ends_in_an_open_hour",
    ),
    AuditEntry: ("audit_entries_are_append_only",),
}

# Of each table and name: how it is enabled, its function, that function's text, which changes it sees.
Triggers = dict[tuple[str, str], tuple[str, str, str, int]]
# Bits of a trigger's type: of a statement, before, and these changes; or after deleting.
_ALL_CHANGES, _BUT_DELETE, _AFTER_DELETE = 2 + 8 + 16 + 32, 2 + 16 + 32, 8


def find_missing_guards(found: Findings) -> None:
    """Add a finding for each trigger and constraint that should guard the books and does not."""
    guarded = (*APPEND_ONLY, *REMOVED_BY_RULE, *OTHERS)
    tables = [model._meta.db_table for model in guarded]
    with connection.cursor() as cursor:
        cursor.execute(_TRIGGERS, [tables])
        triggers: Triggers = {(table, name): tuple(rest) for table, name, *rest in cursor.fetchall()}
        cursor.execute(_RULES, {"tables": tables})
        rules = {(table, name): valid for table, name, valid in cursor.fetchall()}
    _find_triggers(triggers, found=found)
    for model in guarded:
        table = model._meta.db_table
        for name in (f"{table}_pkey", *_rules_of(model)):
            if not rules.get((table, name)):
                found.add("guard", f"the constraint {name} of {table} is missing or not valid")
    cluster = read_cluster()
    if cluster is not None and cluster.is_distributed:
        for text in unguarded_shards():
            found.add("guard", text)


def _find_triggers(triggers: Triggers, *, found: Findings) -> None:
    for model, name in APPEND_ONLY.items():
        _find_append_only(model._meta.db_table, name, triggers=triggers, found=found)
    for model, (name, rule, function) in REMOVED_BY_RULE.items():
        table = model._meta.db_table
        _find_append_only(table, name, changes=_BUT_DELETE, triggers=triggers, found=found)
        _find_rule(table, rule, function=function, triggers=triggers, found=found)
    for model, names in OTHERS.items():
        for name in names:
            if (model._meta.db_table, name) not in triggers:
                found.add("guard", f"the trigger {name} of {model._meta.db_table} is missing")
    for (table, name), (state, *_) in triggers.items():
        if state == "D":  # foreign keys are kept by triggers as well
            found.add("guard", f"the trigger {name} of {table} is switched off")


def _find_append_only(
    table: str, name: str, *, triggers: Triggers, found: Findings, changes: int = _ALL_CHANGES
) -> None:
    if (table, name) not in triggers:
        found.add("guard", f"the trigger {name} of {table} is missing")
        return
    state, function, body, seen = triggers[table, name]
    if state not in ("A", "D"):  # a session that plays a replica would get past it
        found.add("guard", f"the trigger {name} of {table} is not enabled ALWAYS")
    if function != "refuse_change" or seen != changes or "RAISE EXCEPTION" not in body:
        refused = "UPDATE, DELETE and TRUNCATE" if changes == _ALL_CHANGES else "UPDATE and TRUNCATE"
        found.add("guard", f"the trigger {name} of {table} no longer refuses {refused}")


def _find_rule(table: str, name: str, *, function: str, triggers: Triggers, found: Findings) -> None:
    if (table, name) not in triggers:
        found.add("guard", f"the trigger {name} of {table} is missing")
        return
    state, called, body, seen = triggers[table, name]
    if state not in ("A", "D"):
        found.add("guard", f"the trigger {name} of {table} is not enabled ALWAYS")
    if (called, seen) != (function, _AFTER_DELETE) or "RAISE EXCEPTION" not in body:
        found.add("guard", f"the trigger {name} of {table} no longer keeps its rule")


def _rules_of(model: type[models.Model]) -> list[str]:
    kinds = (models.CheckConstraint, models.UniqueConstraint, ExclusionConstraint)
    named = [rule.name for rule in model._meta.constraints if isinstance(rule, kinds)]
    foreign = [field for field in model._meta.fields if isinstance(field, models.ForeignKey)]
    return [*named, *(f"foreign key {field.column}" for field in foreign if field.db_constraint)]  # type: ignore[attr-defined]


_TRIGGERS = load_statement("read_triggers.sql", beside=__file__)
_RULES = load_statement("read_constraints.sql", beside=__file__)
