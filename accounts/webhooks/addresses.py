"""Where webhooks may be sent: public addresses, by https, unless the settings allow more.

An address is checked when an endpoint is saved and at each attempt: a name may lead elsewhere by then. What
was checked is what is connected to; nothing resolves the name a second time.
"""

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import httpx
from django.conf import settings
from django.utils.translation import gettext as _

from sensenova_billing.lib.client_address import is_within

LONGEST_URL = 500
# Global by their number, but they carry an address of IPv4, which may be a private one.
_CARRIERS = [ip_network(one) for one in ("64:ff9b::/96", "2002::/16", "2001::/32")]


class AddressRefused(Exception):
    """Nothing is sent there; the text says why."""


class HostUnknown(AddressRefused):
    """The name of the host leads nowhere."""


def read_url(text: str) -> httpx.URL:
    """Return an address of a receiver; raise AddressRefused for what is none, whatever it leads to."""
    try:
        url = httpx.URL(text)
        port = url.port
    except (httpx.InvalidURL, ValueError) as error:
        raise AddressRefused(_("This is not an address such as https://example.com/webhooks.")) from error
    if url.scheme not in ("http", "https") or not url.host or port == 0:
        raise AddressRefused(_("This is not an address such as https://example.com/webhooks."))
    if url.scheme == "http" and not settings.WEBHOOK_ALLOW_HTTP:
        raise AddressRefused(_("The address has to begin with https://."))
    if url.userinfo or url.fragment:
        raise AddressRefused(_("The address may hold neither a password nor a part after #."))
    if len(str(url)) > LONGEST_URL:  # encoded, it may be longer than it was entered
        raise AddressRefused(_("The address is too long."))
    return url


def checked_addresses(url: httpx.URL) -> list[str]:
    """Return the addresses to which the host's name leads now; raise AddressRefused if one is not allowed."""
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        found = socket.getaddrinfo(url.raw_host.decode(), port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise HostUnknown(_("The host %(host)s is not known.") % {"host": url.host}) from error
    addresses = list(dict.fromkeys(str(sockaddr[0]) for *_rest, sockaddr in found))
    if not addresses or not all(map(_is_allowed, addresses)):
        # Not to which: that would tell how our network resolves names.
        raise AddressRefused(_("The host %(host)s is not in a public network.") % {"host": url.host})
    return addresses


def _is_allowed(text: str) -> bool:
    if is_within(text, settings.WEBHOOK_ALLOWED_NETWORKS):
        return True
    address = ip_address(text)
    return _is_public(getattr(address, "ipv4_mapped", None) or address)


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    is_special = address.is_multicast or address.is_reserved or getattr(address, "is_site_local", False)
    return address.is_global and not is_special and not any(address in carrier for carrier in _CARRIERS)
