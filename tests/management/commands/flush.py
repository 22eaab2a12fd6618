"""Empties the test database after a test that commits; stands in for Django's own `flush`.

Django's truncates, which our append-only and audited tables refuse, as they should. Here the triggers are
switched off meanwhile, and the catalogue is back for the next test: loaded once, and copied from then on.
"""

from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand
from django.core.management.color import no_style
from django.db import connection, models, transaction

from pricing.catalogue.initial import load_catalogue

KEPT = {"contenttypes", "auth"}
COPIED: list[type[models.Model]] = []  # those of whose rows there is a copy
TRIGGERS = """
SELECT format('ALTER TABLE %s DISABLE TRIGGER %I', tgrelid::regclass, tgname),
       format('ALTER TABLE %s ENABLE %s TRIGGER %I', tgrelid::regclass,
              CASE tgenabled WHEN 'A' THEN 'ALWAYS' END, tgname)
  FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D'
"""


class Command(BaseCommand):
    help = "Empties the test database, append-only tables included."
    stealth_options = ("interactive", "reset_sequences", "allow_cascade", "inhibit_post_migrate", "database")

    def handle(self, *args: Any, **options: Any) -> None:
        emptied = [
            model for model in apps.get_models(include_auto_created=True) if model._meta.app_label not in KEPT
        ]
        tables = ", ".join(connection.ops.quote_name(model._meta.db_table) for model in emptied)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(TRIGGERS)
            off, on = zip(*cursor.fetchall(), strict=True)
            cursor.execute("; ".join(off))
            cursor.execute(f"TRUNCATE {tables} RESTART IDENTITY CASCADE")
            for table in (model._meta.db_table for model in COPIED):
                cursor.execute(f"INSERT INTO {table} TABLE catalogue_copy.{table}")
            for statement in connection.ops.sequence_reset_sql(no_style(), COPIED):
                cursor.execute(statement)
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("; ".join(on))
        if not COPIED:
            load_catalogue()
            COPIED.extend(model for model in emptied if model._default_manager.exists())
            _copy()


def _copy() -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA IF EXISTS catalogue_copy CASCADE; CREATE SCHEMA catalogue_copy")
        for table in (model._meta.db_table for model in COPIED):
            cursor.execute(f"CREATE TABLE catalogue_copy.{table} AS TABLE {table}")
