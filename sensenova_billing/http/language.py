"""The language of a page: what was chosen in this browser, else what the browser accepts.

Answers to programs are English, whatever they accept.
"""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.views.decorators.csrf import csrf_exempt
from django.views.i18n import set_language

from sensenova_billing.http.errors import API

ENGLISH = "en"
_FOR_PROGRAMS = (*API, "/healthz", "/readyz", "/metrics")


# Without a token: the form is on public pages too, which set no cookie before a choice is made, and
# another site can change nothing by it but the language. It leads back to the page that it was sent from.
choose_language = csrf_exempt(set_language)


def page_language(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Answer each request in its language."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if request.path_info.startswith(_FOR_PROGRAMS):
            translation.activate(ENGLISH)
            return get_response(request)
        # The cookie of the language switch, or Accept-Language.
        language = translation.get_language_from_request(request)
        translation.activate(language)
        response = get_response(request)
        patch_vary_headers(response, ("Accept-Language", "Cookie"))
        response.headers.setdefault("Content-Language", language)
        return response

    return middleware
