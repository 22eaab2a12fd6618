"""What tests of budgets need: a budget of Acme's, and calls that a gateway asks for."""

import datetime as dt
from decimal import Decimal
from typing import Any

from accounts.api_keys.keys import issue_service_key
from accounts.models import Customer, Scope, ServiceKey
from invoices.budgets.changes import set_budget
from sensenova_billing.lib import clock
from usage.limits.admission import Admission, CallRequest, admit_call
from usage.models import Budget, BudgetUse

OWNER = "alice@acme.example"


def budget(
    customer: Customer, amount: str = "1.00", *, now: dt.datetime | None = None, **terms: Any
) -> Budget:
    """Let this be a customer's budget of an hour, with a stop unless told otherwise."""
    whole: dict[str, Any] = {
        "service": None,
        "period": "hour",
        "alerts_at": [50, 80, 100],
        "is_cap": True,
    } | terms
    return set_budget(customer=customer, amount=Decimal(amount), by=OWNER, now=now or clock.now(), **whole)


def gateway() -> ServiceKey:
    """Return a key that may ask for calls."""
    return issue_service_key(name="gateway", scopes=[Scope.CALLS_ADMIT])[0]


def ask(
    key: ServiceKey, call_id: str, tokens: int = 2000, *, now: dt.datetime | None = None, **metadata: str
) -> Admission:
    """Ask for a call of Acme's to SenseChat-5; 2,000 tokens may cost 0.20 RMB."""
    call = CallRequest(
        customer="acme", service="SenseChat-5", estimated_tokens=tokens, call_id=call_id, metadata=metadata
    )
    return admit_call(call=call, key=key, now=now or clock.now())


def use_of(one: Budget) -> BudgetUse:
    """Return its newest window."""
    return one.uses.latest("begins_at")
