"""Pages and static text are compressed; answers of the API and files are not.

Compression can betray a secret that stands on a page beside text of an attacker's choice (BREACH), if the
same secret is compressed again and again. Tokens against cross-site requests get a new mask on every page,
the text of a key is shown once, and Django adds up to 100 random bytes to each compressed page.
"""

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware

_TYPES = ("text/html", "text/css", "text/javascript", "application/javascript", "image/svg+xml")


class PageCompressionMiddleware(GZipMiddleware):
    """Compresses what a browser shows, where it takes gzip."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Compress a whole answer of one of the types; a requested part of a file stays as it is."""
        if response.status_code == 206 or not response.headers.get("Content-Type", "").startswith(_TYPES):
            return response
        return super().process_response(request, response)
