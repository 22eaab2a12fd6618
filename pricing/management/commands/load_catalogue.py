from typing import Any

from django.core.management.base import BaseCommand

from accounts.audit.context import audit_context
from pricing.catalogue.initial import load_catalogue


class Command(BaseCommand):
    help = "Adds the services, billing items and prices of the price page that the database lacks."

    def handle(self, *args: Any, **options: Any) -> None:
        with audit_context(by="load_catalogue", reason="What the database lacks of the price page."):
            added = load_catalogue()
        self.stdout.write(f"{added} billing items added." if added else "The catalogue is complete.")
