"""Where Python code can be wrong in a small way, found in its syntax tree."""

import ast
from collections.abc import Iterator, Sequence
from itertools import pairwise

from tests.mutants.mutant import Edit

_COMPARISONS = {
    "<=": "<",
    "<": "<=",
    ">=": ">",
    ">": ">=",
    "==": "!=",
    "!=": "==",
    "not in": "in",
    "in": "not in",
    "is not": "is",
    "is": "is not",
}
_SYMBOLS: dict[type[ast.cmpop] | type[ast.operator], str] = {
    ast.LtE: "<=",
    ast.Lt: "<",
    ast.GtE: ">=",
    ast.Gt: ">",
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.NotIn: "not in",
    ast.In: "in",
    ast.IsNot: "is not",
    ast.Is: "is",
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
}
_ARITHMETIC = {"+": "-", "-": "+", "*": "+", "/": "*", "//": "*"}
_FUNCTIONS = {"min": "max", "max": "min", "any": "all", "all": "any", "sorted": "list", "abs": "+"}
# A condition left out of one of these reads what belongs to others.
_CONDITIONAL = {"filter", "exclude", "get"}
# Left out of a chain of calls.
_OPTIONAL = {"filter", "exclude", "strip", "distinct", "order_by", "astimezone", "lower", "normalize"}
# What stands beside a name and could be taken for it.
_NEIGHBOURS = {
    "begins_at": "ends_at",
    "ends_at": "begins_at",
    "from_hour": "until_hour",
    "until_hour": "from_hour",
    "billing_hour": "hour",
    "sealed_in": "hour",
    "INPUT_TOKENS": "OUTPUT_TOKENS",
    "calls": "tokens",
    "tokens": "calls",
    "rpm": "tpm",
    "customer_id": "service_id",
    "code": "name",
    "records": "lines",
    "bills": "records",
}
_TEXTS = (ast.JoinedStr, ast.List, ast.Tuple)


def python_edits(source: str) -> list[Edit]:
    """Return the edits of a module; messages, annotations, logging and docstrings are left alone."""
    finder = _Finder(source)
    finder.visit(ast.parse(source))
    return finder.edits


class _Finder(ast.NodeVisitor):
    def __init__(self, source: str) -> None:
        self.edits: list[Edit] = []
        self._source = source
        self._lines = source.splitlines(keepends=True)
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line))

    # --- Places ---------------------------------------------------------------------------------

    def _place(self, line: int, column: int) -> int:
        """Return where a place of the syntax tree, which counts bytes, is in the text."""
        text = self._lines[line - 1]
        return self._starts[line - 1] + len(text.encode()[:column].decode())

    def _span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset or 0
        return self._place(node.lineno, node.col_offset), self._place(end_line, end_column)

    def _replace(self, node: ast.expr | ast.stmt, text: str) -> None:
        self.edits.append(Edit(*self._span(node), text))

    def _replace_between(self, left: ast.expr, right: ast.expr, symbol: str, other: str) -> None:
        begin, end = self._span(left)[1], self._span(right)[0]
        place = self._source.index(symbol, begin, end)
        self.edits.append(Edit(place, place + len(symbol), other))

    # --- What is left alone ----------------------------------------------------------------------

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Texts: their places within are not told, and most are messages."""

    def visit_Raise(self, node: ast.Raise) -> None:
        """Messages."""

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value:
            self.visit(node.value)

    def visit_arg(self, node: ast.arg) -> None:
        """Annotations."""

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """Names."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        for part in (*node.args.defaults, *filter(None, node.args.kw_defaults), *node.body):
            self.visit(part)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for part in node.body:
            self.visit(part)

    # --- Operators ------------------------------------------------------------------------------

    def visit_Compare(self, node: ast.Compare) -> None:
        for (left, right), operator in zip(pairwise([node.left, *node.comparators]), node.ops, strict=True):
            symbol = _SYMBOLS[type(operator)]
            self._replace_between(left, right, symbol, _COMPARISONS[symbol])
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        symbol = _SYMBOLS.get(type(node.op), "")
        if symbol in _ARITHMETIC and not (_is_text(node.left) or _is_text(node.right)):
            self._replace_between(node.left, node.right, symbol, _ARITHMETIC[symbol])
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        word, other = (" and ", " or ") if isinstance(node.op, ast.And) else (" or ", " and ")
        parts = [f"({ast.unparse(value)})" for value in node.values]
        for left_out in range(len(parts)):
            rest = parts[:left_out] + parts[left_out + 1 :]
            self._replace(node, word.join(rest) if len(rest) == 1 else f"({word.join(rest)})")
        self._replace(node, f"({other.join(parts)})")
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not | ast.USub):
            self._replace(node, f"({ast.unparse(node.operand)})")
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, bool):
            self._replace(node, str(not node.value))
        elif isinstance(node.value, int):
            self._replace(node, str(node.value + 1))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if node.attr in _NEIGHBOURS and isinstance(node.ctx, ast.Load):
            self._replace(node, f"{ast.unparse(node.value)}.{_NEIGHBOURS[node.attr]}")
        self.generic_visit(node)

    # --- Calls ----------------------------------------------------------------------------------

    def visit_Call(self, node: ast.Call) -> None:
        match node.func:
            case ast.Name(id="isinstance" | "getattr" | "cast" | "TypeVar"):
                return
            case ast.Attribute(value=ast.Name(id="logger")):
                return
            case ast.Name(id=name) if name in _FUNCTIONS:
                self._replace(node.func, _FUNCTIONS[name])
            case ast.Attribute(value=receiver, attr=name):
                if name in _OPTIONAL:
                    self._replace(node, ast.unparse(receiver))
                if name in _CONDITIONAL and len(node.keywords) > 1:
                    self._leave_out_conditions(node)
        self.generic_visit(node)

    def _leave_out_conditions(self, node: ast.Call) -> None:
        for left_out in range(len(node.keywords)):
            rest = node.keywords[:left_out] + node.keywords[left_out + 1 :]
            self._replace(node, ast.unparse(ast.Call(node.func, node.args, rest)))

    # --- Flow -----------------------------------------------------------------------------------

    def visit_If(self, node: ast.If) -> None:
        if not node.orelse and isinstance(node.body[-1], ast.Raise | ast.Return | ast.Continue):
            self._replace(node.test, "False")
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self._replace(node, f"({ast.unparse(node.body)})")
        self._replace(node, f"({ast.unparse(node.orelse)})")
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        for condition in node.ifs:
            self._replace(condition, "True")
        self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Call) and not _is_logging(node.value):
            self._replace(node, "pass")
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.op, ast.Add) and not _is_text(node.value):
            place = self._source.index("+=", self._span(node.target)[1])
            self.edits.append(Edit(place, place + 2, "-="))
        self.generic_visit(node)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, _TEXTS) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
    )


def _is_logging(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) == "logger"


def sql_spans(source: str) -> Iterator[tuple[int, int]]:
    """Return where the texts of a module lie that are SQL."""
    finder = _Finder(source)
    tree = ast.parse(source)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    inner: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            inner |= {id(part) for part in ast.walk(node)} - {id(node)}
        is_text = isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and _is_text(node))
        if is_text and id(node) not in inner | docstrings:
            assert isinstance(node, ast.expr)
            start, end = finder._span(node)
            if _is_sql(source[start:end]):
                yield start, end


def _is_sql(
    text: str, words: Sequence[str] = ("SELECT ", "INSERT ", "WHERE ", " AND ", "sum(", ") < (")
) -> bool:
    return any(word in text for word in words)
