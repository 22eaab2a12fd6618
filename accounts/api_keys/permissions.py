"""What a service key may be used for, as Django REST framework's permissions."""

from typing import ClassVar

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.models import Scope, ServiceKey


class _HasScope(BasePermission):
    scope: ClassVar[Scope]
    code = "missing_scope"

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Whether a key was shown that has the scope."""
        # The stubs know only people as a request's user; here it is what ServiceKeyAuthentication returned.
        key: object = request.user
        return isinstance(key, ServiceKey) and self.scope in key.scopes


class MayReportUsage(_HasScope):
    """The key has the scope usage:write."""

    scope = Scope.USAGE_WRITE
    message = "This key may not report usage: it lacks the scope usage:write."


class MayAdmitCalls(_HasScope):
    """The key has the scope calls:admit."""

    scope = Scope.CALLS_ADMIT
    message = "This key may not ask for calls to be admitted: it lacks the scope calls:admit."


class MayReadBilling(_HasScope):
    """The key has the scope billing:read."""

    scope = Scope.BILLING_READ
    message = "This key may not read bills and usage: it lacks the scope billing:read."
