"""Requests as rows of the template by which China's fully digital invoices (数电票) are issued in batches.

The columns are those of the tax bureau's import template of 2026-04 (V260401), as public programs that fill
it in have them. Every cell is text, as the template asks. Amounts include the tax; the bureau's platform
divides them as statements do: net = amount / (1 + rate) to the nearest fen, tax = amount - net.
"""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from django.conf import settings

from accounts.models import InvoiceKind
from invoices.models import EInvoiceRequest, Statement
from pricing.files.csv import Cell
from pricing.files.xlsx import write_workbook
from pricing.rules.amounts import plain

BASIC, DETAIL = "1-发票基本信息", "2-发票明细信息"
_REGION = "购买方所在地区（报废产品收购必填）"
BASIC_COLUMNS = (
    *("发票流水号", "发票类型", "特定业务类型", "是否含税", "受票方自然人标识", "购买方名称"),
    *("购买方纳税人识别号", "购买方证件类型", "购买方证件号码", "购买方国籍（或地区）", "购买方地址"),
    *(_REGION, _REGION, _REGION, _REGION, "购买方详细地址（报废产品收购必填）", "购买方电话"),
    *("购买方开户银行", "购买方银行账号", "是否展示购买方地址电话银行账号", "是否开具涉税专业服务发票品目"),
    *("涉税专业服务协议编号", "备注", "报废产品销售类型", "每千克煤炭发热量", "干基全硫", "干燥无灰基挥发分"),
    *("销售方开户行", "销售方银行账号", "是否展示销售方地址电话银行账号", "购买方邮箱", "购买方经办人姓名"),
    *("购买方经办人证件类型", "购买方经办人证件号码", "经办人国籍(地区)", "经办人自然人纳税人识别号"),
    *("放弃享受减按1%征收率原因", "收款人", "复核人"),
)
DETAIL_COLUMNS = (
    *("发票流水号", "项目名称", "商品和服务税收编码", "规格型号", "单位", "数量", "单价", "金额", "税率"),
    *("折扣金额", "是否使用优惠政策", "优惠政策类型", "即征即退类型"),
)
# One row a line, for other programs: what stands on the invoice, net and tax included.
LINE_COLUMNS = (
    *("发票流水号", "发票类型", "购买方名称", "购买方纳税人识别号", "购买方地址", "购买方电话"),
    *("购买方开户银行", "购买方银行账号", "购买方邮箱", "项目名称", "商品和服务税收编码", "规格型号", "单位"),
    *("数量", "单价", "金额", "税率", "税额", "价税合计", "是否使用优惠政策", "优惠政策类型", "备注"),
)
_KINDS = {InvoiceKind.SPECIAL.value: "增值税专用发票", InvoiceKind.ORDINARY.value: "普通发票"}
_YES, _NO = "是", "否"
_UNIT = "月"


def is_of_china(request: EInvoiceRequest) -> bool:
    """Whether the template takes it."""
    return request.kind in _KINDS


def write_template(requests: Iterable[EInvoiceRequest]) -> bytes:
    """Return a workbook with the template's sheets of these requests and of their lines."""
    basic: list[Sequence[str]] = [BASIC_COLUMNS]
    detail: list[Sequence[str]] = [DETAIL_COLUMNS]
    for request in requests:
        cells = _basic(request)
        basic.append([cells.get(column, "") for column in BASIC_COLUMNS])
        detail.extend(_detail_rows(request))
    return write_workbook({BASIC: basic, DETAIL: detail})


def line_rows(requests: Iterable[EInvoiceRequest]) -> Iterator[list[Cell]]:
    """Yield a row of LINE_COLUMNS for each statement of each request."""
    for request in requests:
        for item in request.items.all():
            statement = item.statement
            cells = _basic(request) | _line(statement) | _amount(statement.net)
            cells |= {"税额": f"{statement.tax:.2f}", "价税合计": f"{statement.payable:.2f}"}
            yield [cells.get(column, "") for column in LINE_COLUMNS]


def _basic(request: EInvoiceRequest) -> dict[str, str]:
    """Without a tax number the buyer is taken for a natural person: a company has to give one."""
    return {
        "发票流水号": request.number,
        "发票类型": _KINDS[request.kind],
        "是否含税": _YES,
        "受票方自然人标识": _NO if request.buyer_tax_id else _YES,
        "购买方名称": request.buyer_name,
        "购买方纳税人识别号": request.buyer_tax_id,
        "购买方地址": request.buyer_address,
        "购买方电话": request.buyer_phone,
        "购买方开户银行": request.buyer_bank,
        "购买方银行账号": request.buyer_account,
        "是否展示购买方地址电话银行账号": _shown(request),
        "备注": request.remarks,
        "购买方邮箱": request.buyer_email,
    }


def _shown(request: EInvoiceRequest) -> str:
    """Return the choice of the template's list that shows what the buyer has given."""
    has_address = bool(request.buyer_address or request.buyer_phone)
    if request.buyer_bank or request.buyer_account:
        return "展示地址、电话、开户银行及银行账号" if has_address else "展示开户银行、银行账号"
    return "展示地址、电话" if has_address else ""


def _detail_rows(request: EInvoiceRequest) -> Iterator[list[str]]:
    for item in request.items.all():
        cells = {"发票流水号": request.number} | _line(item.statement) | _amount(item.statement.payable)
        yield [cells.get(column, "") for column in DETAIL_COLUMNS]


def _line(statement: Statement) -> dict[str, str]:
    """A month of usage."""
    return {
        "项目名称": settings.EINVOICE_ITEM,
        "商品和服务税收编码": settings.EINVOICE_TAX_CODE,
        "规格型号": f"{statement.month:%Y-%m} {statement.number}",
        "单位": _UNIT,
        "数量": "1",
        "税率": plain(statement.tax_rate),
        "是否使用优惠政策": _NO,
    }


def _amount(amount: Decimal) -> dict[str, str]:
    return {"单价": f"{amount:.2f}", "金额": f"{amount:.2f}"}
