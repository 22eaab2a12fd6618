"""HTTP without a network: requests go to the application in this very process and database transaction."""

import httpx
from django.test import Client


class Straight(httpx.BaseTransport):
    """Hands each request to Django's test client."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Let the application answer."""
        answer = Client().generic(
            request.method,
            request.url.path,
            request.read(),
            content_type=request.headers["Content-Type"],
            headers={"Authorization": request.headers["Authorization"]},
        )
        return httpx.Response(answer.status_code, headers=dict(answer.headers), content=answer.content)


def client_with(key: str, transport: httpx.BaseTransport | None = None) -> httpx.Client:
    """Return a client of the application that shows this service key."""
    return httpx.Client(
        transport=transport or Straight(),
        base_url="http://testserver",
        headers={"Authorization": f"Bearer {key}"},
    )
