"""The endpoint of a customer's budgets. Another customer's look like those that do not exist."""

from django import forms
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api_keys.authentication import key_of
from accounts.api_keys.customer_access import customer_of_key
from accounts.api_keys.permissions import MayReadBilling
from invoices.budgets.changes import budgets_of
from invoices.budgets.schemas import (
    CURSOR,
    MOST_A_PAGE,
    PARAMETERS,
    ROWS_A_PAGE,
    BudgetsPayload,
    answers,
    budget_payload,
)
from invoices.budgets.windows import present_windows
from sensenova_billing.lib import clock
from sensenova_billing.lib.api.endpoint import Endpoint
from sensenova_billing.lib.api.query_params import CustomerQuery, cursor_field, limit_field, read_query


class BudgetsQuery(CustomerQuery):
    """A customer's budgets, oldest first."""

    limit: forms.IntegerField = limit_field(MOST_A_PAGE)
    after: forms.RegexField = cursor_field(CURSOR)


class BudgetsView(Endpoint):
    """A page of a customer's budgets."""

    permission_classes = (MayReadBilling,)

    @extend_schema(
        operation_id="budgets",
        summary="Budgets of a customer",
        tags=["bills"],
        description="Those that are not removed, oldest first, each with its present window.",
        parameters=PARAMETERS,
        responses=answers(),
    )
    def get(self, request: Request) -> Response:
        """Authenticate, read the query, answer one page."""
        params = read_query(BudgetsQuery, request.query_params)
        customer = customer_of_key(key=key_of(request), code=params["customer"])
        budgets = budgets_of(customer).order_by("pk")
        if params["after"]:
            budgets = budgets.filter(pk__gt=int(params["after"]))
        size = params["limit"] or ROWS_A_PAGE
        found = list(budgets[: size + 1])  # one more tells whether there are more
        after = f"{found[size - 1].pk}" if len(found) > size else None
        windows = present_windows(found[:size], now=clock.now())
        return Response(BudgetsPayload([budget_payload(one) for one in windows], after))
