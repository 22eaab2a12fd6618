"""Entries of the audit trail about a row: its own, and those of the rows that refer to it.

The history of a service is also that of its billing items and their prices, the history of a customer also
that of its members, prices and limits. Found by an index of each column that is named here.
"""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.db import models
from django.db.models import Q

from accounts.audit.entries import audited_tables, model_of
from accounts.models import REFERENCES, AuditEntry, AuditReference

Model = type[models.Model]


def has_references(model: Model) -> bool:
    """Whether entries of other tables are about rows of this model too."""
    return any(field.related_model is model for _, field in _referring(set(audited_tables())))


def entries_about_row(model: Model, key: Any) -> Q:
    """Return the condition of the entries about this row, two references deep.

    Each reference is looked up by itself: for one condition of them all the database would rather walk
    through the newest entries, all of them where few fit.
    """
    conditions = [Q(table=model._meta.db_table, row=str(key)), *_references_to(model, key)]
    found = [AuditEntry.objects.filter(condition).order_by().values("pk") for condition in conditions]
    return Q(pk__in=found[0].union(*found[1:], all=True))


def _references_to(model: Model, key: Any) -> Iterator[Q]:
    audited = set(audited_tables())
    for referring, field in _referring(audited):
        if field.related_model is model:
            yield _refers(referring, field.column, [str(key)])
            yield from _rows_that_refer(referring, field, key, audited)


def _rows_that_refer(referring: Model, field: Any, key: Any, audited: set[str]) -> Iterator[Q]:
    """Yield the conditions of the entries that refer to rows which refer to the row."""
    further = [(one, other) for one, other in _referring(audited) if other.related_model is referring]
    if not further:
        return
    rows = referring._base_manager.filter(**{field.attname: key})
    if keys := [str(pk) for pk in rows.values_list("pk", flat=True)]:
        yield from (_refers(one, other.column, keys) for one, other in further)


def _refers(referring: Model, column: str, keys: list[str]) -> Q:
    reference = AuditReference(column)
    return Q(models.lookups.In(reference, keys), table=referring._meta.db_table)


def _referring(audited: set[str]) -> Iterator[tuple[Model, Any]]:
    """Return each model under audit with each of its foreign keys that has an index in the trail."""
    for model in apps.get_models(include_auto_created=True):
        if model._meta.db_table in audited:
            for field in model._meta.concrete_fields:
                if field.related_model is not None and field.column in REFERENCES:
                    yield model, field


def row_named(about: str) -> tuple[Model, str] | None:
    """Return the model and the key of e.g. `accounts_customer:7`, if there is such a table under audit."""
    table, _, row = about.partition(":")
    model = model_of(table) if row.isdigit() and len(row) < 19 else None
    # The database is read last: most lists are about no row.
    return (model, row) if model is not None and table in audited_tables() else None
