"""The audit trail in words: which tables are under audit, what an entry is about, what it changed."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import connection, models
from django.db.models import F, Value
from django.db.models.functions import Cast, JSONObject
from django.utils.text import capfirst
from django.utils.translation import gettext, gettext_noop

from accounts.models import AuditEntry

# Of tables that Django makes for itself its own words say too little.
_WORDS = {
    "accounts_user_user_permissions": gettext_noop("Permission of a person"),
    "accounts_servicekey_customers": gettext_noop("Customer of a service key"),
}
_AUDITED = """
SELECT tgrelid::regclass::text FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
 WHERE proname = 'write_audit_entry'
"""
# What a row that is gone was called, by the first of these columns that it had.
_NAMES = ("code", "name", "alias", "email")

RowKey = tuple[type[models.Model], str]


@dataclass(frozen=True)
class ColumnChange:
    """One column of an entry."""

    column: str
    before: str
    after: str
    is_changed: bool


def audited_tables() -> dict[str, str]:
    """Return the tables under audit with what one row of them is called, in the order of these words."""
    with connection.cursor() as cursor:
        cursor.execute(_AUDITED)
        tables = [table for (table,) in cursor.fetchall()]
    return dict(sorted(((table, table_in_words(table)) for table in tables), key=lambda pair: pair[1]))


def table_in_words(table: str) -> str:
    """Return what one row of this table is called."""
    model = _models().get(table)
    if table in _WORDS or model is None:
        return gettext(_WORDS.get(table, table))
    words = gettext(str(model._meta.verbose_name))
    # Django makes these tables for links; their name would be "x-y relationship".
    links: list[Any] = [field.related_model for field in model._meta.fields if field.is_relation]
    if model._meta.auto_created and len(links) == 2:
        owner, linked = links
        names = {"linked": linked._meta.verbose_name, "owner": owner._meta.verbose_name}
        words = gettext("%(linked)s of %(owner)s") % names
    return capfirst(words)


def model_of(table: str) -> type[models.Model] | None:
    """Return the model of this table, unless there is none any more."""
    return _models().get(table)


def rows_in_words(entries: Collection[AuditEntry]) -> dict[int, str]:
    """Return for each entry what its row is called now, or was called; reads all tables by one statement."""
    keys = {entry.pk: _keys(entry) for entry in entries}
    names = _names([key for several in keys.values() for key in several])
    gone = _names_of_gone([entry for entry in entries if not any(key in names for key in keys[entry.pk])])
    return {
        entry.pk: " - ".join(names[key] for key in keys[entry.pk] if key in names) or gone[entry.pk]
        for entry in entries
    }


def action_in_words(entry: AuditEntry) -> str:
    """Return what was done, e.g. `added`; of a model that has words of its own, such as a price's, those."""
    words: dict[str, str] = getattr(model_of(entry.table), "audit_actions", {})
    return gettext(str(words.get(entry.deed, entry.get_deed_display())))


def changes_of(entry: AuditEntry) -> list[ColumnChange]:
    """Return every column that the entry holds, in the table's order, with ids as the names behind them."""
    fields = _fields(entry.table)
    before, after = entry.before or {}, entry.after or {}
    columns = sorted({*before, *after}, key=lambda column: ([*fields, column].index(column), column))
    keys = {
        (column, str(value)): (fields[column].related_model, str(value))
        for column in columns
        for value in (before.get(column), after.get(column))
        if value is not None and column in fields and fields[column].related_model
    }
    names = _names(keys.values())

    def words(values: dict[str, Any], column: str) -> str:
        text = _in_words(values.get(column), fields.get(column))
        key = keys.get((column, str(values.get(column))))
        name = names.get(key) if key else None
        return gettext("%(name)s (number %(key)s)") % {"name": name, "key": text} if name else text

    return [
        ColumnChange(
            column=_column_in_words(fields, column),
            before=words(before, column),
            after=words(after, column),
            is_changed=before.get(column) != after.get(column),
        )
        for column in columns
    ]


def changes_in_short(entry: AuditEntry) -> list[str]:
    """Return of a change what each changed column was and is, without asking the database for names."""
    fields = _fields(entry.table)
    before, after = entry.before or {}, entry.after or {}
    if not (before and after):
        return []
    described = []
    for column in (*after, *(before.keys() - after.keys())):
        if before.get(column) != after.get(column):
            field = fields.get(column)
            was, becomes = (_in_words(held.get(column), field) or gettext("none") for held in (before, after))
            described.append(f"{_column_in_words(fields, column)}: {was} → {becomes}")
    return described


# What the trail holds of a secret: never itself (accounts/audit/sql/write_audit_entry.sql).
_HIDDEN = {gettext_noop("(not kept)"), gettext_noop("(changed)")}


def _in_words(value: Any, field: Any) -> str:
    """Return a value as pages show such: times by the clock of billing, choices by their labels."""
    match value:
        case None | "":
            return ""
        case bool():
            return gettext("yes") if value else gettext("no")
        case list():
            return ", ".join(_in_words(one, getattr(field, "base_field", None)) for one in value)
        case dict():
            return "; ".join(f"{name}: {_in_words(one, None)}" for name, one in value.items() if one != "")
        case str() if value in _HIDDEN:
            return gettext(value)
        case str() if isinstance(field, models.DateTimeField):
            return value.removesuffix("+00:00").replace("T", " ")
        case _:
            labels: dict[Any, Any] = dict(getattr(field, "flatchoices", ()))
            return gettext(str(labels[value])) if labels.get(value) else str(value)


def _column_in_words(fields: dict[str, Any], column: str) -> str:
    return gettext(str(fields[column].verbose_name)) if column in fields else column


def _fields(table: str) -> dict[str, Any]:
    model = model_of(table)
    return {str(field.column): field for field in model._meta.concrete_fields} if model else {}


def _models() -> dict[str, type[models.Model]]:
    return {model._meta.db_table: model for model in apps.get_models(include_auto_created=True)}


def _keys(entry: AuditEntry) -> list[RowKey]:
    """Return what names the entry's row: itself, or the two that a row of Django's own tables links."""
    model = model_of(entry.table)
    if model is None:
        return []
    if not model._meta.auto_created:
        return [(model, entry.row)]
    held = entry.after or entry.before or {}
    return [
        (field.related_model, str(held[field.column]))
        for field in model._meta.concrete_fields
        if field.related_model and field.column in held
    ]


def _names(keys: Iterable[RowKey]) -> dict[RowKey, str]:
    return {key: str(row) for key, row in _read_rows(keys).items()}


def _read_rows(keys: Iterable[RowKey]) -> dict[RowKey, models.Model]:
    """Return rows of any tables, with those to which they refer, by one statement."""
    wanted: dict[type[models.Model], set[str]] = defaultdict(set)
    for model, row in keys:
        wanted[model].add(row)
    parts = [
        model._base_manager.filter(pk__in=rows).order_by().values_list(Value(place), _as_json(model))
        for place, (model, rows) in enumerate(wanted.items())
    ]
    if not parts:
        return {}
    found = [_from_json([*wanted][place], held) for place, held in parts[0].union(*parts[1:], all=True)]
    return {(type(row), str(row.pk)): row for row in found}


def _as_json(model: type[models.Model], path: str = "", depth: int = 2) -> JSONObject:
    """Return the columns of a row, and under the name of a foreign key those of the row that it refers to.

    Names of rows are made of names of others.
    """
    columns: dict[str, Any] = {}
    for field in model._meta.concrete_fields:
        if isinstance(field, models.BinaryField):
            continue  # of no name, and no JSON
        # A number in JSON would be read as a float.
        column: Any = F(f"{path}{field.attname}")
        columns[field.attname] = (
            Cast(column, models.TextField()) if isinstance(field, models.DecimalField) else column
        )
        if depth and isinstance(field, models.ForeignKey):
            columns[field.name] = _as_json(field.related_model, f"{path}{field.name}__", depth - 1)
    return JSONObject(**columns)


def _from_json(model: type[models.Model], held: dict[str, Any]) -> models.Model:
    fields: list[Any] = [field for field in model._meta.concrete_fields if field.attname in held]
    row = model(**{field.attname: field.to_python(held[field.attname]) for field in fields})
    for field in fields:
        if field.name != field.attname and field.name in held and held[field.attname] is not None:
            setattr(row, field.name, _from_json(field.related_model, held[field.name]))
    return row


def _names_of_gone(entries: list[AuditEntry]) -> dict[int, str]:
    """Return what rows that are gone were called: the name that the row's last values give."""
    rows = {entry.pk: row for entry in entries if (row := _rebuilt(entry)) is not None}
    referred = _read_rows(key for row in rows.values() for key in _references(row).values())
    return {entry.pk: _name_of_gone(rows.get(entry.pk), referred) or _called(entry) for entry in entries}


def _references(row: models.Model) -> dict[str, RowKey]:
    """Return the keys of the rows that a row refers to, by field."""
    return {
        field.name: (field.related_model, str(key))
        for field in row._meta.concrete_fields
        if isinstance(field, models.ForeignKey) and (key := getattr(row, field.attname)) is not None
    }


def _rebuilt(entry: AuditEntry) -> models.Model | None:
    model, held = model_of(entry.table), entry.after or entry.before or {}
    fields = [field for field in model._meta.concrete_fields if field.column in held] if model else []
    if model is None or model._meta.auto_created or len(fields) < len(model._meta.concrete_fields):
        return None  # a table that has changed since, or columns that the trail does not keep
    return model(**{field.attname: field.to_python(held[field.column]) for field in fields})


def _name_of_gone(row: models.Model | None, referred: Mapping[RowKey, models.Model]) -> str:
    if row is None:
        return ""
    for name, key in _references(row).items():
        if key not in referred:
            return ""  # what it referred to is gone as well
        setattr(row, name, referred[key])
    return str(row)


def _called(entry: AuditEntry) -> str:
    held = entry.after or entry.before or {}
    return str(
        next(
            (held[name] for name in _NAMES if held.get(name)), gettext("number %(key)s") % {"key": entry.row}
        )
    )
