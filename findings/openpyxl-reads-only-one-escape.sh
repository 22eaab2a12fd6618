#!/usr/bin/env bash
# openpyxl 3.1.5 undoes one of a workbook's escapes and leaves the others: text that xlsxwriter 3.3.1 wrote comes back
# as other text. python-calamine 0.9.1 reads both rightly.
#
# In a workbook _x000D_ stands for a carriage return, and the text _x005F_ itself is written _x005F_x005F_
# (ECMA-376, part 1, 22.9.2.19).
# Expected: openpyxl undoes all escapes, or none.
# Seen on 2026-11-28: the carriage return comes back as seven characters, and the text _x005F_ as one underscore.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check xlsxwriter==3.3.1 openpyxl==3.1.5 python-calamine==0.9.1
"$here/venv/bin/python" - "$here/book.xlsx" > "$here/seen" <<'PYTHON'
import sys

import openpyxl
import python_calamine
import xlsxwriter

for text in ("a\rb", "_x005F_"):
    with xlsxwriter.Workbook(sys.argv[1]) as book:
        book.add_worksheet().write_string(0, 0, text)
    by_openpyxl = openpyxl.load_workbook(sys.argv[1]).active["A1"].value
    ((by_calamine,),) = python_calamine.CalamineWorkbook.from_path(sys.argv[1]).get_sheet_by_index(0).to_python()
    print(repr(text), "openpyxl", repr(by_openpyxl), "calamine", repr(by_calamine))
PYTHON
diff "$here/seen" - <<'SEEN'
'a\rb' openpyxl 'a_x000D_b' calamine 'a\rb'
'_x005F_' openpyxl '_' calamine '_x005F_'
SEEN
echo "as described"
