"""The language that a person chose, as the cookie by which this browser's pages are translated."""

from django.conf import settings
from django.http.response import HttpResponseBase

from accounts.models import User


def remember_language(response: HttpResponseBase, person: User) -> None:
    """Let this browser read in the person's language; without one nothing is changed."""
    if person.language:
        response.set_cookie(
            settings.LANGUAGE_COOKIE_NAME,
            person.language,
            max_age=settings.LANGUAGE_COOKIE_AGE,
            secure=settings.LANGUAGE_COOKIE_SECURE,
            httponly=settings.LANGUAGE_COOKIE_HTTPONLY,
            samesite="Lax",
        )


def forget_language(response: HttpResponseBase) -> None:
    """Let this browser read in the language that it asks for."""
    response.delete_cookie(settings.LANGUAGE_COOKIE_NAME, samesite="Lax")
