"""A broken build of the web server: booking takes no lock.

The product has no such switch; here, in a process of its own, what locks a payment and a customer is
replaced by what does not.
"""

from typing import Any
from unittest.mock import MagicMock, patch
from uuid import UUID

from django.apps import apps

from sensenova_billing.wsgi import application

__all__ = ["application"]


def read(order_id: UUID, provider: str) -> Any:
    """Return the payment of an order, which another process may change meanwhile."""
    payments = apps.get_model("invoices", "OnlinePayment").objects.select_related("customer", "statement")
    return payments.filter(order_id=order_id, provider=provider).first()


patch("invoices.payments.callbacks._lock", read).start()
patch("invoices.account.transactions.Customer", MagicMock()).start()
