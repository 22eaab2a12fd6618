"""Files as banks export them."""

GERMAN = """\
Umsatzanzeige;Konto DE02 1203 0000 0000 2020 51
Zeitraum;01.11.2026 - 30.11.2026

Buchungstag;Valutadatum;Auftraggeber/Empfänger;Verwendungszweck;Betrag;Währung;Referenz
03.11.26;04.11.26;Globex GmbH;Rechnung September, Kunde globex;1.234,50;CNY;REF-1
05.11.26;05.11.26;Büroservice Müller;Miete;-80,00;CNY;REF-2
06.11.26;06.11.26;Unbekannt AG;ohne Angabe;12,00;EUR;REF-3
"""

CHINESE = """\
账号:,6222000011112222,币种:,人民币
交易日期,交易流水号,借方发生额(元),贷方发生额(元),对方户名,摘要,附言
20261103,\t90001,,"12,345.60",顶点（上海）有限公司,转账,
20261104,\t90002,500.00,,电力公司,电费,
20261104,\t90003,0.00,88.00,张三,转账,支付acme账单
合计,,500.00,"12,433.60",,,
"""

ENGLISH = """\
Date\tDescription\tMoney in\tMoney out\tPayer
2026/11/03\tPayment S00000001 thanks\t0.09\t\tAcme Holdings
2026-11-03 10:00:00\tTop-up\t£\t\tAcme Ltd
2026-11-04\tTop-up\t1 000.00\t\tACME LTD.
2026-11-04\tTop-up\t1 000.00\t\tACME LTD.
"""
