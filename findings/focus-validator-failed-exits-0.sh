#!/usr/bin/env bash
# focus-validator 1.0.0: a file that fails the validation ends the command with 0.
#
# The validator of the FOCUS specification prints what each rule found and, at the end, "Validation failed!".
# Expected: an exit status other than 0, by which a build would stop.
# Seen on 2026-11-30: 0 for a file of a single column. 2.2.1, which needs Python 3.12, ends with 0 as well. What a build
# may go by is the text.
# (multimethod is pinned, since the version that is installed without it has no `overload` any more.)
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check focus-validator==1.0.0 'multimethod==1.12'
printf 'BilledCost\n1.5\n' > "$here/charges.csv"
cd "$here"
set +e
venv/bin/focus-validator --data-file charges.csv --validate-version 1.0 > said 2> /dev/null
echo "exit status $?" > seen
set -e
grep -c 'is a required column' said >> seen
grep -o 'Validation failed!' said >> seen
cat seen
