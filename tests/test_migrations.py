"""Processes of the version before go on writing while and after the database is migrated."""

from django.db.migrations import (
    AddField,
    AlterModelTable,
    DeleteModel,
    RemoveField,
    RenameField,
    RenameModel,
)
from django.db.migrations.loader import MigrationLoader

OURS = {"accounts", "pricing", "usage", "invoices"}
# Their columns were added before the product was in use.
EARLY = {
    ("accounts", "0002_key_scopes"),
    ("accounts", "0003_roles_and_audit_trail"),
    ("accounts", "0006_suspended_customers"),
    ("invoices", "0003_corrections"),
    ("pricing", "0001_first"),
}

# They removed what no code used any more, or only workers did, which stop before a database is migrated.
UNUSED = {("invoices", "0021_no_looks_at_open_hours")}


def test_a_column_that_is_added_may_be_null_or_has_a_default_in_the_database():
    migrations = MigrationLoader(None).disk_migrations

    without = {
        key
        for key, migration in migrations.items()
        for operation in migration.operations
        if key[0] in OURS and isinstance(operation, AddField)
        if not (operation.field.null or operation.field.many_to_many or operation.field.has_db_default())
    }

    assert without == EARLY


def test_what_the_version_before_uses_is_neither_removed_nor_renamed():
    gone = (AlterModelTable, DeleteModel, RemoveField, RenameField, RenameModel)

    taken = {
        key
        for key, migration in MigrationLoader(None).disk_migrations.items()
        if key[0] in OURS and any(isinstance(operation, gone) for operation in migration.operations)
    }

    assert taken == UNUSED
