"""`manage.py prepare`: the database as this release needs it."""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Migrates the database and loads the catalogue, in the time of one start of Django instead of two."

    def handle(self, *_: Any, **__: Any) -> None:
        """Do what `migrate` and `load_catalogue` do."""
        call_command("migrate", verbosity=0, stdout=self.stdout)
        call_command("load_catalogue", stdout=self.stdout)
