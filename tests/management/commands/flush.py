"""Empties the test database after a test that commits; stands in for Django's own `flush`.

Django's truncates, which our append-only and audited tables refuse, as they should. Here the triggers are
switched off meanwhile, and the catalogue is back for the next test: loaded once, and copied from then on.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand
from django.core.management.color import no_style
from django.db import connection, models, transaction

from pricing.catalogue.initial import load_catalogue
from tests import citus
from usage.distribution.cluster import TABLE

KEPT = {"contenttypes", "auth"}
COPIED: list[type[models.Model]] = []  # those of whose rows there is a copy
TRIGGERS = """
SELECT format('ALTER TABLE %s DISABLE TRIGGER %I', tgrelid::regclass, tgname),
       format('ALTER TABLE %s ENABLE %s TRIGGER %I', tgrelid::regclass,
              CASE tgenabled WHEN 'A' THEN 'ALWAYS' END, tgname)
  FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
 WHERE NOT tgisinternal AND tgenabled <> 'D' AND relnamespace = 'public'::regnamespace
"""
SHARD_ON = """
DO $$ BEGIN EXECUTE (
    SELECT string_agg(format('ALTER TABLE %%s ENABLE ALWAYS TRIGGER %%I', tgrelid::regclass, tgname), '; ')
      FROM pg_trigger WHERE tgrelid = '%s'::regclass AND NOT tgisinternal); END $$
"""


class Command(BaseCommand):
    help = "Empties the test database, append-only tables included."
    stealth_options = ("interactive", "reset_sequences", "allow_cascade", "inhibit_post_migrate", "database")

    def handle(self, *args: Any, **options: Any) -> None:
        emptied = [
            model for model in apps.get_models(include_auto_created=True) if model._meta.app_label not in KEPT
        ]
        tables = ", ".join(connection.ops.quote_name(model._meta.db_table) for model in emptied)
        with _shards_switched_off(), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(TRIGGERS)
            off, on = zip(*cursor.fetchall(), strict=True)
            _run(cursor, off)
            cursor.execute(f"TRUNCATE {tables} RESTART IDENTITY CASCADE")
            for table in (model._meta.db_table for model in COPIED):
                cursor.execute(f"INSERT INTO {table} TABLE catalogue_copy.{table}")
            for statement in connection.ops.sequence_reset_sql(no_style(), COPIED):
                cursor.execute(statement)
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            _run(cursor, on)
        if not COPIED:
            load_catalogue()
            COPIED.extend(model for model in emptied if model._default_manager.exists())
            _copy()


@contextmanager
def _shards_switched_off() -> Iterator[None]:
    """Switch the triggers of shards off meanwhile, where there are any; Citus does not do so by itself."""
    if not citus.URL:
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT run_command_on_shards(%s, 'ALTER TABLE %%s DISABLE TRIGGER USER')", [TABLE])
        yield
        cursor.execute("SELECT run_command_on_shards(%s, %s)", [TABLE, SHARD_ON])


def _run(cursor: Any, statements: Sequence[str]) -> None:
    """Run them in one round trip; those of a table that Citus distributes it takes one by one only."""
    for statement in statements if citus.URL else ["; ".join(statements)]:
        cursor.execute(statement)


def _copy() -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA IF EXISTS catalogue_copy CASCADE; CREATE SCHEMA catalogue_copy")
        for table in (model._meta.db_table for model in COPIED):
            cursor.execute(f"CREATE TABLE catalogue_copy.{table} AS TABLE {table}")
