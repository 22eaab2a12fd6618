"""Empties the test database after a test that commits; stands in for Django's own `flush`.

Django's truncates, which our append-only and audited tables refuse, as they should. Here the triggers are
switched off for the one statement, and the catalogue is loaded again for the next test.
"""

from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand
from django.db import connection, transaction

from pricing.catalogue.initial import load_catalogue

KEPT = {"contenttypes", "auth"}
NOT_TRUNCATED = """
SELECT tgrelid::regclass::text, tgname FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
 WHERE proname IN ('refuse_change', 'refuse_untraced')
"""


class Command(BaseCommand):
    help = "Empties the test database, append-only tables included."
    stealth_options = ("interactive", "reset_sequences", "allow_cascade", "inhibit_post_migrate", "database")

    def handle(self, *args: Any, **options: Any) -> None:
        models = apps.get_models(include_auto_created=True)
        names = [model._meta.db_table for model in models if model._meta.app_label not in KEPT]
        tables = ", ".join(map(connection.ops.quote_name, names))
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(NOT_TRUNCATED)
            triggers = cursor.fetchall()
            for table, trigger in triggers:
                cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}")
            cursor.execute(f"TRUNCATE {tables} RESTART IDENTITY CASCADE")
            for table, trigger in triggers:
                cursor.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}")
        load_catalogue()
