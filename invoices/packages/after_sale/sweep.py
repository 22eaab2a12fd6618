"""What is due for packages that were sold; idempotent, and safe to run anywhere at any time."""

import datetime as dt
from dataclasses import dataclass

from invoices.packages.after_sale.mail import mail_notices
from invoices.packages.after_sale.notices import find_notices
from invoices.packages.after_sale.renewal import renew_packages


@dataclass(frozen=True)
class Swept:
    """What a sweep did; `str` is one line for logs, empty where it did nothing."""

    renewed: int = 0
    notices: int = 0
    mails: int = 0

    def __str__(self) -> str:
        if not (self.renewed or self.notices or self.mails):
            return ""
        return f"{self.renewed:,} renewed, {self.notices:,} notices, {self.mails:,} mails"


def sweep_packages(*, now: dt.datetime) -> Swept:
    """Renew what is due, write the notices that are due, and mail those that wait."""
    return Swept(renewed=renew_packages(now=now), notices=find_notices(now=now), mails=mail_notices(now=now))
