"""Where SQL and Lua can be wrong in a small way, found in their text."""

import re
from collections.abc import Iterable, Iterator

from tests.mutants.mutant import Edit

_SQL = {
    r" <= ": " < ",
    r" >= ": " > ",
    r" < ": " <= ",
    r" > ": " >= ",
    r" <> ": " = ",
    r"\bIS NULL\b": "IS NOT NULL",
    r"\bIS NOT NULL\b": "IS NULL",
    r"\bNOT (?=EXISTS|counts_in|FOUND)": "",
    r"\bNOT (?=%\()": "",
    r"\bLEFT JOIN\b": "JOIN",
    r"\bFULL JOIN\b": "LEFT JOIN",
    r"\bUNION ALL\b": "UNION",
    r"\bsum\(": "max(",
    r"\bmin\(": "max(",
    r"\bmax\(": "min(",
    r"\bavg\(": "max(",
    r"\bbool_or\(": "bool_and(",
    r"\bgreatest\(": "least(",
    r"\bLEAST\(": "GREATEST(",
    r"\babs\(": "(",
    r"\bDISTINCT (?!FROM)": "",
    r" DESC\b": "",
    r"\bNULLS LAST\b": "NULLS FIRST",
    r"\bNULLS FIRST\b": "NULLS LAST",
    r" \+ ": " - ",
    r" - ": " + ",
    r" \* (?!FROM)": " + ",
    r"\bcoalesce\(([\w.]+), [^()]+\)": r"\1",
    r"\bFOR NO KEY UPDATE\b": "",
    r"\bON CONFLICT DO NOTHING\b": "",
    r"(?<!BETWEEN)(?<=[\w)'] )AND\b": "OR",
    r"(?<=[\w)'] )OR\b(?! REPLACE)": "AND",
    r"(?<=IF )(.+) = ": r"\1 <> ",
    r"(?<=WHEN )([^=]+) = ": r"\1 <> ",
}
_SQL_STATEMENT = r"^ *((?:PERFORM |\w[\w.\[\]]* := ).+;)$"
_LUA = {
    r" <= ": " < ",
    r" >= ": " > ",
    r" < ": " <= ",
    r" > ": " >= ",
    r" == ": " ~= ",
    r" ~= ": " == ",
    r" \+ ": " - ",
    r" - ": " + ",
    r" and ": " or ",
    r" or ": " and ",
    r"\bnot ": "",
    r"\bmath\.max\b": "math.min",
    r"\bmath\.min\b": "math.max",
    r"\bwindow\[CALLS\]": "window[TOKENS]",
}
_LUA_STATEMENT = r"^ +((?!local|return|for|while|if|else)[\w.\[\]]+(?: = .+|\(.+\)))$"
_NUMBER = r"(?<![\w.$%{\[-])(\d+)(?![\w.}])"
_CONDITION = r"\b(AND|OR|WHERE|ON|HAVING) (?!CONFLICT|DELETE|UPDATE|COMMIT)"
_CONDITION_ENDS = re.compile(r" (AND|OR|THEN|GROUP|ORDER|RETURNING|LOOP|LIMIT|UNION)\b")


def sql_edits(source: str, spans: Iterable[tuple[int, int]]) -> list[Edit]:
    """Return the edits of the SQL that lies in these spans; comments and quoted texts are left alone."""
    edits = []
    for start, end in spans:
        text = _without(r"--[^\n]*|'[^'\n]*'", source[start:end])
        found = [
            *_replaced(text, _SQL),
            *_numbers(text),
            *_left_out(text, _SQL_STATEMENT, "NULL;"),
            *_conditions(text),
        ]
        edits += [Edit(start + edit.start, start + edit.end, edit.text) for edit in found]
    return edits


def lua_edits(source: str) -> list[Edit]:
    """Return the edits of a Lua script; comments and quoted texts are left alone."""
    text = _without(r"--[^\n]*|'[^'\n]*'", source)
    return [*_replaced(text, _LUA), *_numbers(text), *_left_out(text, _LUA_STATEMENT, "")]


def _without(pattern: str, text: str) -> str:
    """Return the text with blanks, as many, for what is to be left alone."""
    return re.sub(pattern, lambda found: re.sub(r"[^\n]", "\x00", found.group()), text)


def _replaced(text: str, operators: dict[str, str]) -> Iterator[Edit]:
    for pattern, replacement in operators.items():
        for found in re.finditer(pattern, text):
            if "\x00" not in found.group():
                yield Edit(found.start(), found.end(), found.expand(replacement))


def _numbers(text: str) -> Iterator[Edit]:
    for found in re.finditer(_NUMBER, text):
        yield Edit(found.start(), found.end(), str(int(found.group()) + 1))


def _left_out(text: str, pattern: str, instead: str) -> Iterator[Edit]:
    for found in re.finditer(pattern, text, re.MULTILINE):
        if found.group(1).count("(") == found.group(1).count(")"):
            yield Edit(found.start(1), found.end(1), instead)


def _conditions(text: str) -> Iterator[Edit]:
    """Leave out each condition that lies on one line."""
    for found in re.finditer(_CONDITION, text):
        end = _end_of_condition(text, found.end())
        word = found.group(1)
        if end is None or text[: found.start()].rstrip().endswith(("BETWEEN", "DO")):
            continue
        # A parameter has to stay, or the statement would not even run.
        parameters = ["%s::text IS NOT NULL"] * text.count("%s", found.end(), end)
        if word in ("AND", "OR") and not parameters:
            yield Edit(found.start(), end, "")
        else:
            yield Edit(found.end(), end, " AND ".join(parameters) or "true")


def _end_of_condition(text: str, start: int) -> int | None:
    """Return where the condition ends that begins here, or None if it goes on beyond its line."""
    depth = 0
    for place in range(start, len(text)):
        if text[place] == "(":
            depth += 1
        elif text[place] == ")":
            if depth == 0:
                return place
            depth -= 1
        elif text[place] == "\n":
            return place if depth == 0 else None
        elif depth == 0 and (text[place] in ",;" or _CONDITION_ENDS.match(text, place)):
            return place
    return len(text) if depth == 0 else None
