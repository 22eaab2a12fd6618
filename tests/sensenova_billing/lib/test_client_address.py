"""Whose address counts: what trusted proxies report, and nothing that the client wrote itself."""

import pytest

from sensenova_billing.lib.client_address import client_address


@pytest.mark.parametrize(
    ("remote", "forwarded", "address"),
    [
        ("203.0.113.7", "", "203.0.113.7"),
        ("203.0.113.7", "198.51.100.1", "203.0.113.7"),  # no trusted proxy wrote this
        ("127.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("127.0.0.1", "10.9.9.9, 203.0.113.7", "203.0.113.7"),  # the first one is invented
        ("127.0.0.1", "203.0.113.7, 10.0.0.4", "203.0.113.7"),  # through two proxies
        ("127.0.0.1", "", "127.0.0.1"),
        ("::ffff:127.0.0.1", "2001:db8::7", "2001:db8::7"),
        ("unix:/run/x", "203.0.113.7", ""),
        ("127.0.0.1", "nonsense", ""),
        ("127.0.0.1", "203.0.113.7, unknown", ""),
        ("127.0.0.1", "203.0.113.7,_hidden, 10.0.0.4", ""),
        ("127.0.0.1", "127.0.0.1, 10.0.0.5", "127.0.0.1"),
        ("127.0.0.1", "203.0.113.7:51234", "203.0.113.7"),
        ("127.0.0.1", "[2001:db8::7]:51234, 10.0.0.4:80", "2001:db8::7"),
        ("127.0.0.1", "[2001:DB8:0::7]", "2001:db8::7"),
        ("127.0.0.1", "::ffff:203.0.113.7", "203.0.113.7"),
        ("127.0.0.1", "203.0.113.7:port", ""),
        ("127.0.0.1", "203.0.113.7, , ", "203.0.113.7"),
        ("", "203.0.113.7", ""),
        ("10.0.1.4", "203.0.113.7", "10.0.1.4"),
    ],
)
def test_the_address_is_the_last_that_no_trusted_proxy_has(settings, remote, forwarded, address):
    settings.TRUSTED_PROXIES = ["127.0.0.1", "10.0.0.0/24"]

    assert client_address({"REMOTE_ADDR": remote, "HTTP_X_FORWARDED_FOR": forwarded}) == address


def test_without_trusted_proxies_no_header_counts(settings):
    settings.TRUSTED_PROXIES = []

    assert client_address({"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "1.2.3.4"}) == "127.0.0.1"
