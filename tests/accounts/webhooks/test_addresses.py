"""Webhooks go to public addresses only; what was checked is what is connected to."""

import socket

import pytest

from accounts.models import WebhookAttempt
from accounts.webhooks import request
from accounts.webhooks.addresses import AddressRefused, HostUnknown, checked_addresses, read_url
from accounts.webhooks.request import post
from tests.accounts.webhooks.builders import endpoint, send_due, suspended
from tests.accounts.webhooks.receiver import CERTIFICATE, listening

HOOKS = "https://hooks.example"


@pytest.fixture
def public(settings):
    """As where nothing is set."""
    settings.WEBHOOK_ALLOWED_NETWORKS = []
    settings.WEBHOOK_ALLOW_HTTP = False


@pytest.fixture
def names(monkeypatch):
    """Let names lead to addresses, and note which were looked up."""
    looked_up = []
    own = socket.getaddrinfo

    def lead(**to):
        def look_up(host, port, *args, **named):
            looked_up.append(host)
            if host in to["hosts"]:
                return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in to["hosts"][host]]
            return own(host, port, *args, **named)

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        return looked_up

    return lead


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.8.8", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.0.1"),
        *("169.254.169.254", "100.64.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1", "198.18.0.1"),
        *("192.0.2.1", "240.0.0.1", "2130706433", "0x7f.1", "127.1", "localhost"),
        *("[::1]", "[::]", "[fe80::1]", "[fc00::1]", "[fec0::1]", "[ff02::1]", "[2001:db8::1]"),
        *("[::ffff:127.0.0.1]", "[::ffff:10.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[2001::1]"),
    ],
)
def test_an_address_that_is_not_public_is_refused(public, address):
    with pytest.raises(AddressRefused, match="is not in a public network"):
        checked_addresses(read_url(f"https://{address}/hooks"))


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "[2606:4700:4700::1111]", "[::ffff:8.8.8.8]"])
def test_a_public_address_is_taken(public, address):
    """The control."""
    assert checked_addresses(read_url(f"https://{address}/hooks"))


def test_a_name_that_leads_to_a_private_address_among_others_is_refused(public, names):
    names(hosts={"hooks.example": ["8.8.8.8", "10.0.0.1"]})

    with pytest.raises(AddressRefused, match="hooks.example is not in a public network"):
        checked_addresses(read_url(HOOKS))


def test_settings_may_allow_a_network(public, settings):
    settings.WEBHOOK_ALLOWED_NETWORKS = ["10.0.0.0/8"]

    assert checked_addresses(read_url("https://10.0.0.1")) == ["10.0.0.1"]
    with pytest.raises(AddressRefused):
        checked_addresses(read_url("https://192.168.0.1"))


@pytest.mark.parametrize(
    "url",
    [
        *("", "x", "https://", "ftp://example.com", "https://example.com:0", "https://example.com:99999"),
        *("https://user:password@example.com", "https://example.com/#part", "//example.com", "https://a b"),
        *("https://exa\nmple.com", "https://[::1", "file:///etc/passwd", "https://\0.example"),
        f"https://8.8.8.8/{'钩' * 100}",
    ],
)
def test_what_is_no_address_is_refused(public, url):
    with pytest.raises(AddressRefused):
        checked_addresses(read_url(url))


def test_plain_http_is_refused_unless_it_is_allowed(public, settings):
    with pytest.raises(AddressRefused, match="https://"):
        read_url("http://example.com")

    settings.WEBHOOK_ALLOW_HTTP = True
    assert read_url("http://example.com").host == "example.com"


def test_a_host_that_is_not_known_is_refused(public, names, monkeypatch):
    def fail(*args, **named):
        raise socket.gaierror(socket.EAI_NONAME, "not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)

    with pytest.raises(HostUnknown, match="hooks.example is not known"):
        checked_addresses(read_url(HOOKS))


@pytest.mark.django_db
def test_a_name_that_leads_to_a_private_address_by_now_is_not_sent_to(acme, receiver, settings):
    """It was allowed when it was saved; now the name leads elsewhere, or the settings have changed."""
    endpoint(acme, receiver.url)
    suspended(acme)
    settings.WEBHOOK_ALLOWED_NETWORKS = []

    send_due()

    assert receiver.received == []
    assert WebhookAttempt.objects.get().error == "address"


@pytest.mark.django_db
def test_the_name_is_looked_up_once_and_that_address_is_connected_to(acme, receiver, names):
    looked_up = names(hosts={"hooks.example": ["127.0.0.1"]})
    port = receiver.url.split(":")[2].split("/")[0]
    endpoint(acme, f"http://hooks.example:{port}/hooks")
    suspended(acme)
    looked_up.clear()

    send_due()

    assert receiver.received[0].headers["host"] == f"hooks.example:{port}"
    assert looked_up == ["hooks.example", "127.0.0.1"]  # the second is no name


def test_the_next_address_of_a_host_is_tried_where_one_is_not_reached(receiver, names):
    names(hosts={"hooks.example": ["127.9.9.9", "127.0.0.1"]})
    url = receiver.url.replace("127.0.0.1", "hooks.example")

    assert post(url=url, headers={}, body="{}").status == 200


@pytest.fixture
def trusted(monkeypatch):
    """The certificate of the tests is trusted."""
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    request._ssl_context.cache_clear()
    yield
    request._ssl_context.cache_clear()


@pytest.mark.parametrize(("name", "error"), [("hooks.example", ""), ("other.example", "tls")])
def test_the_certificate_is_to_be_that_of_the_name(trusted, names, name, error):
    names(hosts={name: ["127.0.0.1"]})
    with listening(tls=True) as receiver:
        answer = post(url=receiver.url.replace("127.0.0.1", name), headers={}, body="{}")

    assert answer.error == error
    assert len(receiver.received) == (not error)


def test_a_certificate_that_nobody_has_signed_is_refused(names):
    names(hosts={"hooks.example": ["127.0.0.1"]})
    with listening(tls=True) as receiver:
        answer = post(url=receiver.url.replace("127.0.0.1", "hooks.example"), headers={}, body="{}")

    assert (answer.error, receiver.received) == ("tls", [])
