"""Limits of wrong passwords, by the means of django-axes: three for strangers, one for a known device.

| failures within AXES_COOLOFF_TIME | at most |
|---|---|
| of one account from one address | AXES_FAILURE_LIMIT |
| from one address, over all accounts | SIGN_IN_FAILURES_OF_ADDRESS |
| of one account, from all addresses | SIGN_IN_FAILURES_OF_ACCOUNT |
| wrong codes of the second factor of one account, from anywhere | AXES_FAILURE_LIMIT |
| of one account on one of its known devices | AXES_FAILURE_LIMIT, and none of the above |

So guessing is stopped, and a person who has signed in before in the same browser is not locked out by it.
"""

from ipaddress import ip_address, ip_network
from typing import Any

from axes.attempts import get_cool_off_threshold
from axes.handlers.database import AxesDatabaseHandler
from axes.helpers import get_client_username
from axes.models import AccessAttempt
from django.conf import settings
from django.db.models import QuerySet, Sum
from django.http import HttpRequest

from accounts.sign_in.known_devices import device_of
from sensenova_billing.lib.client_address import client_address

# Axes records failures by account, address and user agent; the header of that name can be anything.
STRANGER = "stranger"
DEVICE = "device {}"
_CODES = " (codes)"  # no address ends like this
IPV6_PREFIX = 64  # what one customer of a provider has at the least


class SignInLimits(AxesDatabaseHandler):  # type: ignore[misc]
    """Counts failures by the limits above; everything else is axes' own."""

    def get_failures(self, request: Any, credentials: dict[str, Any] | None = None) -> int:
        """Return the failures of the limit that is reached first, scaled to AXES_FAILURE_LIMIT."""
        account = _mark(request, credentials)
        recent = AccessAttempt.objects.filter(
            attempt_time__gt=get_cool_off_threshold(request), user_agent=request.axes_user_agent
        )
        of_account, of_address = {"username": account}, {"ip_address": request.axes_ip_address}
        limit: int = settings.AXES_FAILURE_LIMIT
        if account.endswith(_CODES) or request.axes_user_agent != STRANGER:
            return _failures(recent.filter(**of_account))
        return max(
            _failures(recent.filter(**of_account, **of_address)),
            _failures(recent.filter(**of_address)) * limit // settings.SIGN_IN_FAILURES_OF_ADDRESS,
            _failures(recent.filter(**of_account)) * limit // settings.SIGN_IN_FAILURES_OF_ACCOUNT,
        )

    def user_login_failed(
        self, sender: Any, credentials: dict[str, Any], request: HttpRequest | None = None, **more: Any
    ) -> None:
        """Record a failure under what it counts for."""
        if request is not None:
            _mark(request, credentials)
        super().user_login_failed(sender, credentials, request, **more)

    def filter_user_attempts(
        self, request: Any, credentials: dict[str, Any] | None = None
    ) -> list["QuerySet[Any]"]:
        """Return what a success resets: failures of this account on this device, or from this address."""
        account = _mark(request, credentials)
        attempts = AccessAttempt.objects.filter(username=account, user_agent=request.axes_user_agent)
        if request.axes_user_agent == STRANGER:
            attempts = attempts.filter(ip_address=request.axes_ip_address)
        return [attempts]


def account_of_codes(email: str) -> str:
    """Return the account under which wrong codes of this person's second factor are counted."""
    return email.lower() + _CODES


def counted_address(request: HttpRequest) -> str | None:
    """Return the address that failures are counted for: of IPv6 the network; None, if there is none."""
    try:
        address = ip_address(client_address(request.META))
    except ValueError:
        return None
    if address.version == 4:
        return str(address)
    return str(ip_network((address, IPV6_PREFIX), strict=False).network_address)


def _mark(request: Any, credentials: dict[str, Any] | None) -> str:
    """Let a request count for its known device, or as a stranger's; return the account that it is about."""
    account = str(get_client_username(request, credentials) or "").lower()
    device = device_of(request, email=account)
    request.axes_user_agent = DEVICE.format(device) if device else STRANGER
    return account


def _failures(attempts: "QuerySet[Any]") -> int:
    return attempts.aggregate(failures=Sum("failures_since_start"))["failures"] or 0
