"""In which language a page is: the choice in this browser, else what the browser asks for."""

import datetime as dt
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import translation
from django.utils.formats import date_format

from invoices.templatetags.amounts import exact, grouped, in_rmb, rmb
from tests.invoices.browsing import text
from tests.request_ids import content_without_id

pytestmark = pytest.mark.django_db


def language_of_page(answer):
    """The language that a page names itself, and that its header names."""
    (named,) = [code for code, _ in settings.LANGUAGES if f'<html lang="{code}">' in answer.content.decode()]
    assert answer.headers["Content-Language"] == named
    return named


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("", "en"),
        ("en-GB,en;q=0.9", "en"),
        ("de-DE,de;q=0.9", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh-hans"),
        ("zh", "zh-hans"),
        ("zh-Hans-CN", "zh-hans"),
        ("fr,zh-TW;q=0.5", "zh-hans"),
    ],
)
def test_a_browser_gets_the_language_that_it_asks_for(asked, shown):
    page = Client(headers={"Accept-Language": asked} if asked else {}).get("/prices")

    assert language_of_page(page) == shown
    assert "Accept-Language" in page.headers["Vary"]


def test_a_choice_stays_and_counts_for_more_than_what_the_browser_asks_for(alice_client, acme):
    page = reverse("customer_bills", args=["acme"]) + "?from=2026-01-01"

    chosen = alice_client.post(
        reverse("set_language"), {"language": "zh-hans"}, headers={"Referer": f"http://testserver{page}"}
    )

    assert chosen.headers["Location"] == f"http://testserver{page}"
    assert language_of_page(alice_client.get(page)) == "zh-hans"
    assert language_of_page(alice_client.get(page, headers={"Accept-Language": "en"})) == "zh-hans"


def test_the_choice_is_offered_before_the_sign_in_and_after_it(alice_client, acme):
    for page in (Client().get("/sign-in"), Client().get("/prices"), alice_client.get("/customers/acme")):
        assert 'value="zh-hans" lang="zh-hans">简体中文</button>' in page.content.decode()
    page = Client(headers={"Accept-Language": "zh"}).get("/sign-in")
    assert 'value="en" lang="en">English</button>' in page.content.decode()


@pytest.mark.parametrize("sent", [{}, {"language": "tlh"}, {"language": "zh-hans\0"}])
def test_what_is_no_language_changes_nothing(sent):
    answer = Client().post(reverse("set_language"), sent)

    assert answer.status_code == 302
    assert not answer.cookies


def test_a_choice_leads_to_no_other_site():
    sent = {"language": "zh-hans", "next": "https://elsewhere.example/"}

    answer = Client().post(reverse("set_language"), sent, headers={"Referer": "https://elsewhere.example/"})

    assert answer.headers["Location"] == "/"


@pytest.mark.parametrize(
    "path",
    ["/api/v1/limits", "/api/v1/catalog?at=x", "/api/v1/nothing", "/lago/api/v1/events", "/v1/traces"]
    + ["/healthz", "/readyz", "/metrics", "/api/schema"],
)
def test_programs_read_english_whatever_they_accept(path):
    in_english = Client().get(path)

    in_chinese = Client(headers={"Accept-Language": "zh-CN"}).get(path)
    Client(headers={"Accept-Language": "zh-CN"}).get("/prices")  # and so does the next one in the same thread
    afterwards = Client().get(path)

    assert in_chinese.content.isascii() or path == "/api/schema"
    assert in_chinese.status_code == in_english.status_code
    if path not in {"/metrics", "/readyz"}:  # which tell of the moment
        assert len({content_without_id(one) for one in (in_chinese, in_english, afterwards)}) == 1


def test_files_are_in_english_for_they_are_read_by_programs_too(alice_client, acme):
    path = reverse("customer_lines_csv", args=["acme"])

    chinese = alice_client.get(path, headers={"Accept-Language": "zh"})

    assert chinese.getvalue() == alice_client.get(path).getvalue()


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/admin/", ["审计日志", "即将生效的价格变更", "所有客户", "尚无已出账的小时。"]),
        ("/admin/accounts/auditentry/", ["选择审计记录查看", "新增", "计费项", "操作人"]),
        ("/admin/prices/change", ["变更价格", "计费项", "查看影响"]),
    ],
)
def test_the_admin_follows(path, words, operator_client, acme):
    page = operator_client.get(path, headers={"Accept-Language": "zh-CN"}).content.decode()

    assert 'lang="zh-hans"' in page
    assert [one for one in words if one not in page] == []


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_numbers_and_dates_read_alike_and_amounts_have_the_sign_of_the_language(language):
    with translation.override(language):
        assert exact(Decimal("1051.59758")) == "1,051.59758"
        assert grouped(1_024_000) == "1,024,000"
        assert date_format(dt.date(2026, 11, 23)) == "2026-11-23"
        sign = "RMB " if language == "en" else "¥"
        assert in_rmb(Decimal("0.0415")) == f"{sign}0.0415"
        assert rmb(Decimal("1051.59758")) == f"{sign}1,051.60"


def test_a_month_is_named_as_in_the_language(alice_client, acme):
    page = alice_client.get("/customers/acme", headers={"Accept-Language": "zh"})

    assert f"{dt.datetime.now(ZoneInfo(acme.time_zone)).year}年" in text(page)
