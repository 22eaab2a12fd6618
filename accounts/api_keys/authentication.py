"""`Authorization: Bearer <service key>` for Django REST framework."""

from collections.abc import Callable
from typing import cast

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts.api_keys.keys import recognise_service_key
from accounts.models import ServiceKey
from sensenova_billing.lib import clock


class ServiceKeyAuthentication(BaseAuthentication):
    """Makes the presented service key the request's user; `recognise` finds it by its text."""

    def __init__(self, recognise: Callable[..., ServiceKey | None] = recognise_service_key) -> None:
        self._recognise = recognise

    def authenticate(self, request: Request) -> tuple[ServiceKey, None] | None:
        """Recognise the key; raise AuthenticationFailed (401) when there is one but it is not live."""
        # Not by `headers`, which would convert all of them.
        scheme, _, text = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        key = self._recognise(text=text.strip(), now=clock.now())
        if key is None:
            raise AuthenticationFailed("This key is unknown, expired or revoked.")
        return key, None

    def authenticate_header(self, request: Request) -> str:
        """The challenge that makes an answer a 401."""
        return "Bearer"


def key_of(request: Request) -> ServiceKey:
    """Return the service key that was recognised."""
    return cast(ServiceKey, request.user)


class ServiceKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describes service keys in the OpenAPI document."""

    target_class = "accounts.api_keys.authentication.ServiceKeyAuthentication"
    name = "serviceKey"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        """HTTP bearer."""
        return {"type": "http", "scheme": "bearer", "description": "A service key, `sk_live_...`."}
