from typing import Any

from django.core.management.base import BaseCommand

from invoices.closing.close import close_due_hours
from usage.billing_hours import database_now


class Command(BaseCommand):
    help = "Closes every hour that is due, oldest first: the same as the clock does each minute."

    def handle(self, *args: Any, **options: Any) -> None:
        closed = close_due_hours(now=database_now(), on_closed=lambda made: self.stdout.write(str(made)))
        if not closed:
            self.stdout.write("No hour is due.")
