"""What is stored in English, or made by modules that know no Django, is shown in the language of the page."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import translation

from pricing.files.formats import COLUMNS
from pricing.models import BillingItem, Proposal
from pricing.stored_words import stored_in_words
from tests.translations.pages import english_on
from tests.translations.test_pages import CHINESE

STORED = [
    (
        "Change SenseChat-5 input tokens for acme to 0.01 RMB/thousand tokens from 2026-12-01 00:00 UTC",
        "变更 acme 的 SenseChat-5 输入 Token：0.01 元/千 Token，自 2026-12-01 00:00 UTC 起",
    ),
    (
        "Offer 4 billing items at 20 % off from now until 2026-12-01 00:00 UTC",
        "限时优惠 4 个计费项：减 20 %，即刻起至 2026-12-01 00:00 UTC",
    ),
    (
        "End SenseChat-5: Input tokens: 0.04 RMB/thousand tokens (limited-time offer) now",
        "现在结束 SenseChat-5：输入 Token：0.04 元/千 Token（限时优惠）",
    ),
    ("Sell 10M for 150.00 RMB (list price 200.00) at once", "销售 10M：150.00 元（刊例价 200.00），立即"),
    ("'x' is not a whole number. Give 0 or more.", "'x' 不是整数。请填写不小于 0 的数。"),
    ("a.csv cannot be read: It has more than 10,000 rows.", "无法读取 a.csv：文件超过 10,000 行数据。"),
    ("This price has begun: only its end can still be moved.", "此价格已生效：只能再调整结束时间。"),
    ("What nobody knows.", "What nobody knows."),
]


@pytest.mark.parametrize(("stored", "shown"), STORED)
def test_a_sentence_is_shown_in_the_language_of_the_page(stored, shown):
    with translation.override("en"):
        assert stored_in_words(stored) == stored
    with translation.override("zh-hans"):
        assert stored_in_words(stored) == shown


@pytest.mark.django_db
def test_a_proposal_is_stored_in_english_whoever_makes_it(operator_client, settings):
    settings.PRICE_CHANGES_NEED_APPROVAL = True
    item = BillingItem.objects.get(service__name="SenseChat-5", measure="input_tokens")
    asked = {"show": 1, "zone": "UTC", "item": item.pk, "kind": "list_price", "unit_price": "0.03"}
    page = reverse("change_price", query={**asked, "unit_size": 1000, "begins_now": "on"})
    shown = operator_client.get(page, headers=CHINESE)

    sent = {"preview": shown.context["preview"].fingerprint, "reason": "董事会决定。", "confirmed": "yes"}
    answer = operator_client.post(page, sent, headers=CHINESE, follow=True)

    assert Proposal.objects.get().deed == (
        "Change SenseChat-5 input tokens to 0.03 RMB/thousand tokens from now on"
    )
    assert [english_on(one.content.decode()) for one in (shown, answer)] == [[], []]
    assert "变更 SenseChat-5 输入 Token：0.03 元/千 Token，即刻起" in answer.content.decode()


@pytest.mark.django_db
def test_what_is_wrong_with_a_file_is_said_in_chinese(operator_client):
    lines = [
        "sheet,name,family,description,position,service,measure,customer,kind,unit_price,unit_size,begins_at",
        "services,x,,,0,,,,,,,",
        "prices,,,,,SenseChat-5,input_tokens,,list_price,1e3,1000,2090-01-01",
        "prices,,,,,没有,input_tokens,,list_price,1,1000,2090-01-01T00:00:00Z",
    ]
    files = {"a.csv": "\n".join(lines), "b.csv": "x", "c.xlsx": "PK", "d.csv": ""}

    for name, text in files.items():
        file = SimpleUploadedFile(name, text.encode())
        answer = operator_client.post(reverse("catalogue_import"), {"file": file}, headers=CHINESE)
        page = answer.content.decode().replace(name, "").replace(",".join(COLUMNS), "")
        assert (answer.status_code, english_on(page)) == (200, []), name
