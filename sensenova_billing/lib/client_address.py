"""The address a request came from, as the trusted proxies in front of the web server report it."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from django.conf import settings

Network = IPv4Network | IPv6Network


def client_address(meta: Mapping[str, Any]) -> str:
    """Return the last address that no trusted proxy has; from `request.META`.

    Each proxy appends to X-Forwarded-For the address of its own client, so the header is read from its end,
    and only as far as proxies of `TRUSTED_PROXIES` wrote it: what stands before may be invented. What is no
    address there, such as `unknown`, is returned as nothing.
    """
    address = _plain(str(meta.get("REMOTE_ADDR", "")))
    forwarded = [part.strip() for part in meta.get("HTTP_X_FORWARDED_FOR", "").split(",") if part.strip()]
    while forwarded and is_within(address, settings.TRUSTED_PROXIES):
        address = _plain(forwarded.pop())
    return address


def is_within(address: str, networks: Iterable[str]) -> bool:
    """Whether an address is in one of these networks; what is no address is in none."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None) or found
    return any(mapped in network for network in map(as_network, networks))


def _plain(text: str) -> str:
    """Return an address without its port, and one of IPv4 as such; nothing for what is no address."""
    found = _WITH_PORT.fullmatch(text)
    try:
        address = ip_address((found["v6"] or found["v4"]) if found else text)
    except ValueError:
        return ""
    return str(getattr(address, "ipv4_mapped", None) or address)


# As some proxies write it: 203.0.113.7:51234, [2001:db8::7]:51234 or [2001:db8::7].
_WITH_PORT = re.compile(r"(?:(?P<v4>[0-9.]+):[0-9]+|\[(?P<v6>[^\]]*)\](?::[0-9]+)?)", re.ASCII)


def is_network(text: str) -> bool:
    """Whether a text is a network, or an address."""
    try:
        as_network(text)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=256)
def as_network(text: str) -> Network:
    """Return a network in its usual notation, or that of one address; raise ValueError."""
    return ip_network(text, strict=False)
