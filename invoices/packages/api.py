"""The endpoints of quota packages: a customer's packages, and the log of one."""

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api_keys.authentication import key_of
from accounts.api_keys.customer_access import customer_of_key
from accounts.api_keys.keys import customer_codes
from accounts.api_keys.permissions import MayReadBilling
from invoices.packages.draws import draws_of
from invoices.packages.forms import ROWS_A_PAGE, DrawsQuery, PackagesQuery
from invoices.packages.pagination import oldest_first
from invoices.packages.schemas import (
    AFTER,
    LIMIT,
    NUMBER,
    STATE,
    answers,
    draws_payload,
    packages_payload,
)
from invoices.packages.status import packages_at, status_of
from pricing.models import QuotaPackage
from sensenova_billing.lib import clock
from sensenova_billing.lib.api.endpoint import Endpoint
from sensenova_billing.lib.api.query_params import read_query
from sensenova_billing.lib.api.schemas import CUSTOMER


class PackagesView(Endpoint):
    """A page of a customer's packages."""

    permission_classes = (MayReadBilling,)

    @extend_schema(
        operation_id="packages",
        summary="Quota packages of a customer",
        tags=["packages"],
        description=(
            "What was bought, used and is left, first bought first. Used and left are as of the last closed "
            "hour. The method of a service without a package in force is Tokens Postpaid."
        ),
        parameters=[CUSTOMER, STATE, AFTER, LIMIT],
        responses=answers("A page.", "QuotaPackages"),
    )
    def get(self, request: Request) -> Response:
        """Authenticate, read the query, answer one page."""
        params = read_query(PackagesQuery, request.query_params)
        customer = customer_of_key(key=key_of(request), code=params["customer"])
        found = packages_at(clock.now()).filter(customer=customer).prefetch_related("periods__service")
        if params["state"]:
            found = found.filter(state=params["state"])
        rows, next_after = oldest_first(found, size=_size(params["limit"]), after=_key(params["after"]))
        return Response(packages_payload([status_of(one) for one in rows], next_after=next_after))


class PackageDrawsView(Endpoint):
    """A page of a package's draws."""

    permission_classes = (MayReadBilling,)

    @extend_schema(
        operation_id="package_draws",
        summary="Log of a quota package",
        tags=["packages"],
        description=(
            "What each hourly bill drew from a Tokens package, or gave back to it for reversed calls, oldest "
            "first. A TPM package has no draws."
        ),
        parameters=[NUMBER, AFTER, LIMIT],
        responses=answers("A page.", "PackageDraws"),
    )
    def get(self, request: Request, number: str) -> Response:
        """Authenticate, read the query, answer one page."""
        params = read_query(DrawsQuery, request.query_params)
        package = _package_for(request, number)
        draws, next_after = oldest_first(
            draws_of(package), size=_size(params["limit"]), after=_key(params["after"])
        )
        return Response(draws_payload(number=package.number, draws=draws, next_after=next_after))


def _package_for(request: Request, number: str) -> QuotaPackage:
    """Return the package, if the key may see it; another's looks like one that does not exist."""
    packages = QuotaPackage.objects.all()
    codes = customer_codes(key=key_of(request))
    if codes is not None:
        packages = packages.filter(customer__code__in=codes)
    # No number holds a NUL, and PostgreSQL takes no parameter with one.
    return get_object_or_404(packages, number=number.replace("\0", ""))


def _size(limit: str) -> int:
    return int(limit or ROWS_A_PAGE)


def _key(after: str) -> int | None:
    return int(after) if after else None
