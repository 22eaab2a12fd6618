"""The address a request came from, as the trusted proxies in front of the web server report it."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from django.conf import settings

Network = IPv4Network | IPv6Network


def client_address(meta: Mapping[str, Any]) -> str:
    """Return the last address that no trusted proxy has; from `request.META`.

    Each proxy appends to X-Forwarded-For the address of its own client, so the header is read from its end,
    and only as far as proxies of `TRUSTED_PROXIES` wrote it: what stands before may be invented.
    """
    address = str(meta.get("REMOTE_ADDR", ""))
    forwarded = [part.strip() for part in meta.get("HTTP_X_FORWARDED_FOR", "").split(",") if part.strip()]
    while forwarded and is_within(address, settings.TRUSTED_PROXIES):
        address = forwarded.pop()
    return address


def is_within(address: str, networks: Iterable[str]) -> bool:
    """Whether an address is in one of these networks; what is no address is in none."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None) or found
    return any(mapped in network for network in map(as_network, networks))


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
