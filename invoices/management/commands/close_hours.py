from typing import Any

from django.core.management.base import BaseCommand

from invoices.closing.close import ClosedHour, close_due_hours
from invoices.packages.after_sale.renewal import renew_packages
from usage.billing_hours import database_now


class Command(BaseCommand):
    help = (
        "Closes every hour that is due, oldest first, and renews packages before and after each: the same as "
        "the clock does each minute."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        renew_packages(now=database_now())
        if not close_due_hours(now=database_now(), on_closed=self._closed):
            self.stdout.write("No hour is due.")

    def _closed(self, closed: ClosedHour) -> None:
        self.stdout.write(str(closed))
        renew_packages(now=database_now())
