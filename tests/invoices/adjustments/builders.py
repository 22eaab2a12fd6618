"""Credits and charges by hand."""

from decimal import Decimal
from typing import Any

from invoices.adjustments.basis import Basis
from invoices.adjustments.propose import propose_adjustment
from invoices.models import Adjustment, AdjustmentCause, AdjustmentKind
from tests.builders import at

PAT, SAM = "pat@sensenova.example", "sam@sensenova.example"


def proposed(
    basis: Basis, amount: Any = None, *, percent: Any = None, key: str = "1", **fields: Any
) -> Adjustment:
    """Propose a credit for the service level, unless the test says otherwise."""
    usual: dict[str, Any] = {"kind": AdjustmentKind.CREDIT, "cause": AdjustmentCause.SERVICE_LEVEL}
    usual |= {"by": PAT, "now": at(70), "reason": "It was slow.", "is_beyond_charges": False}
    numbers = {"amount": amount and Decimal(amount), "percent": percent and Decimal(percent)}
    return propose_adjustment(basis=basis, key=key, **{**usual, **numbers, **fields})
