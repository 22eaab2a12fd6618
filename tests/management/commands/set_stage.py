"""Makes customers and a service key for a test that talks to a running product, and prints the key."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from accounts.api_keys.keys import issue_service_key
from accounts.models import Customer


class Command(BaseCommand):
    help = "Makes customers and a service key, and prints the key."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("codes", nargs="+")

    def handle(self, *args: Any, **options: Any) -> None:
        for code in options["codes"]:
            Customer.objects.create(code=code, name=code)
        self.stdout.write(issue_service_key(name="driver")[1])
