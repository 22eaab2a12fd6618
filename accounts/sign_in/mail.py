"""Mail with a link that only its reader may have: whether it can be sent, and sending it."""

import logging
from collections.abc import Callable, Iterable, Iterator

from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models.functions import Lower
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.functional import Promise

from accounts.models import User
from sensenova_billing.lib.mail import is_mail_sent, site_url

logger = logging.getLogger(__name__)


def is_mail_set_up() -> bool:
    """Whether mail can be sent and its links lead to this site."""
    return bool(is_mail_sent() and settings.PUBLIC_URL)


def language_of(*addresses: str) -> str:
    """Return what the person with the first of these addresses chose, else the next; or English."""
    chosen = _chosen_languages(addresses)
    found = (chosen[one.lower()] for one in addresses if one.lower() in chosen)
    return next(found, settings.LANGUAGE_CODE)


def by_language(addresses: Iterable[str]) -> dict[str, list[str]]:
    """Return the addresses by the language in which their people read, or English."""
    readers = list(addresses)
    chosen = _chosen_languages(readers)
    groups: dict[str, list[str]] = {}
    for address in readers:
        groups.setdefault(chosen.get(address.lower(), settings.LANGUAGE_CODE), []).append(address)
    return groups


def in_each_language(
    addresses: Iterable[str], message: Callable[[list[str]], EmailMessage]
) -> Iterator[EmailMessage]:
    """Yield a message for each language in which some of these people read, made in that language."""
    for language, readers in by_language(addresses).items():
        with translation.override(language):
            yield message(readers)


def _chosen_languages(addresses: Iterable[str]) -> dict[str, str]:
    people = User.objects.exclude(language="").annotate(address=Lower("email"))
    found = people.filter(address__in=[one.lower() for one in addresses])
    return dict(found.values_list("address", "language"))


def mail_link(
    *, to: str, subject: str | Promise, template: str, path: str, language: str = "", **context: object
) -> bool:
    """Mail a link to this path of the site, in this language; return whether the mail server took it."""
    with translation.override(language or settings.LANGUAGE_CODE):
        body = render_to_string(template, {"link": site_url(path), **context})
        message = EmailMessage(subject=str(subject), body=body, to=[to])
    try:
        message.send()
    except OSError as error:  # smtplib's exceptions are among them
        # Not what the server answered: that may name people.
        logger.warning("A mail with a link was not sent: %s", type(error).__name__)
        return False
    return True
