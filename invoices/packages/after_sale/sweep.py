"""What is due for packages that were sold; idempotent, and safe to run anywhere at any time."""

import datetime as dt
from dataclasses import dataclass

from invoices.packages.after_sale.mail import mail_notices
from invoices.packages.after_sale.notices import find_notices


@dataclass(frozen=True)
class Swept:
    """What a sweep did; `str` is one line for logs, empty where it did nothing."""

    notices: int
    mails: int

    def __str__(self) -> str:
        return f"{self.notices:,} notices, {self.mails:,} mails" if self.notices or self.mails else ""


def sweep_packages(*, now: dt.datetime) -> Swept:
    """Write the notices that are due, and mail those that wait."""
    return Swept(notices=find_notices(now=now), mails=mail_notices(now=now))
