"""Templates of Jinja2's family, read as other tools read them and written as this hub, or Nunjucks, reads them.

Tools differ in what they do with the white space around tags, and in what a value that is missing prints. So a template
is not copied: it is parsed, checked against what templates here may say, and its tree is written out anew.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal

from jinja2 import Environment, nodes
from jinja2.exceptions import TemplateSyntaxError
from jinja2.visitor import NodeTransformer

from prompt_hub.errors import TemplateRefused
from prompt_hub.schema import MAX_TEMPLATE_BYTES
from prompt_hub.templates import check_tree, environment

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

Dialect = Literal["hub", "nunjucks"]

_OPENS: Final = re.compile(r"\{(?=[{%#])|\{\Z")
_INDENT: Final = re.compile(r"(?:\A|\n)[ \t]+\Z")
_NAMED_OTHERWISE: Final = {"count": "length", "d": "default", "e": "escape"}
_TESTS_NAMED_OTHERWISE: Final = {"null": "none"}
_ESCAPES: Final = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})
_COMPARED: Final = {
    "eq": "==", "ne": "!=", "gt": ">", "gteq": ">=", "lt": "<", "lteq": "<=", "in": "in", "notin": "not in"
}  # fmt: skip


def parsed(text: str) -> nodes.Template:
    """The tree of another tool's template, which says nothing but what templates here may.

    Args:
        text: Jinja2, or the part of Nunjucks that is the same; white space around tags counts.

    Raises:
        TemplateRefused: it cannot be read, or has something that templates here may not have.
    """
    if len(text.encode("utf-8", "surrogatepass")) > MAX_TEMPLATE_BYTES:
        raise TemplateRefused(f"is larger than {MAX_TEMPLATE_BYTES // 1024} KiB, the limit of a template")
    try:
        tree = _reader().parse(text)
    except TemplateSyntaxError as error:
        raise TemplateRefused(f"is not a template: {error.message}", error.lineno) from error
    except (RecursionError, ValueError, OverflowError, SyntaxError) as error:
        raise TemplateRefused(f"is not a template: {error}") from error
    for named in tree.find_all(nodes.Filter):
        named.name = _NAMED_OTHERWISE.get(named.name, named.name)
    for asked in tree.find_all(nodes.Test):
        asked.name = _TESTS_NAMED_OTHERWISE.get(asked.name, asked.name)
    check_tree(tree)
    return tree


def renamed(tree: nodes.Template, names: Mapping[str, str]) -> nodes.Template:
    """The tree with its variables called otherwise, those of its loops too."""
    for name in tree.find_all(nodes.Name):
        name.name = names.get(name.name, name.name)
    return tree


def forgiving(tree: nodes.Template, optional: Mapping[str, str | float]) -> nodes.Template:
    """The tree, in which optional variables that are missing print something instead.

    Args:
        tree: The template.
        optional: What each of them prints then: its default, or "", as other tools have it.
    """
    made: nodes.Template = _Forgiving(dict(optional)).visit(tree)
    return made


def written(tree: nodes.Template, dialect: Dialect, *, lists: Collection[str] = ()) -> str:
    """A checked tree as text.

    Args:
        tree: The template.
        dialect: Who reads it. The hub takes away white space beside tags unless they have a plus; Nunjucks does not.
        lists: Variables that hold lists or mappings: an empty one is true to Nunjucks, so its length is asked.
    """
    return _Writer(dialect, frozenset(lists)).body(tree.body).strip()


def literal(text: str) -> str:
    """The template that prints exactly this text."""
    return _OPENS.sub('{{ "{" }}', text)


class _Forgiving(NodeTransformer):
    def __init__(self, optional: dict[str, str | float]) -> None:
        self._optional = optional

    def visit_Name(self, node: nodes.Name) -> nodes.Node:  # noqa: N802 - Jinja2 names the method
        if node.name not in self._optional:
            return node
        instead = nodes.Const(self._optional[node.name], lineno=node.lineno)
        return nodes.Filter(node, "default", [instead], [], None, None, lineno=node.lineno)

    def visit_Test(self, node: nodes.Test) -> nodes.Node:  # noqa: N802 - as above
        return node if isinstance(node.node, nodes.Name) else self.generic_visit(node)

    def visit_Filter(self, node: nodes.Filter) -> nodes.Node:  # noqa: N802 - as above
        known = node.name == "default" and isinstance(node.node, nodes.Name)
        return node if known else self.generic_visit(node)

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 - as above
        outer = self._optional
        loops_over = node.iter
        bound = node.target.name if isinstance(node.target, nodes.Name) else ""
        self._optional = {name: instead for name, instead in outer.items() if name != bound}
        node.body = [self.visit(one) for one in node.body]
        self._optional = outer
        node.else_ = [self.visit(one) for one in node.else_]
        if not (isinstance(loops_over, nodes.Name) and loops_over.name in outer):
            node.iter = self.visit(loops_over)
            return node
        is_there = nodes.Test(loops_over, "defined", [], [], None, None, lineno=node.lineno)
        return nodes.If(is_there, [node], [], list(node.else_), lineno=node.lineno)


class _Writer:
    """Writes one tree; each kind of node that `check_tree` lets through has its line here."""

    def __init__(self, dialect: Dialect, lists: frozenset[str]) -> None:
        self._nunjucks = dialect == "nunjucks"
        self._lists = lists

    def body(self, body: list[nodes.Node]) -> str:
        text = ""
        for node in body:
            text = self._followed(text, "".join(self._pieces(node)))
        return text

    def _followed(self, text: str, more: str) -> str:
        """The hub takes away what is blank before a tag in its line, and the line's end behind it."""
        if self._nunjucks:
            return text + more
        if more.startswith("{% ") and _INDENT.search(text):
            more = "{%+" + more[2:]
        if text.endswith(" %}") and more.startswith("\n"):
            text = text[:-2] + "+%}"
        return text + more

    def _pieces(self, node: nodes.Node) -> list[str]:
        if isinstance(node, nodes.Output):
            return [self._printed(part) for part in node.nodes]
        if isinstance(node, nodes.If):
            text = self._tagged(f"if {self._condition(node.test)}", node.body)
            for other in node.elif_:
                text = self._followed(text, self._tagged(f"elif {self._condition(other.test)}", other.body))
            if node.else_:
                text = self._followed(text, self._tagged("else", node.else_))
            return [self._followed(text, "{% endif %}")]
        if isinstance(node, nodes.For):
            target = self._expression(node.target)
            text = self._tagged(f"for {target} in {self._expression(node.iter)}", node.body)
            if node.else_:
                text = self._followed(text, self._tagged("else", node.else_))
            return [self._followed(text, "{% endfor %}")]
        raise AssertionError(f"no template has {type(node).__name__}")

    def _tagged(self, tag: str, body: list[nodes.Node]) -> str:
        return self._followed(f"{{% {tag} %}}", self.body(body))

    def _printed(self, part: nodes.Node) -> str:
        if isinstance(part, nodes.TemplateData):
            return literal(part.data)
        return f"{{{{ {self._expression(part)} }}}}"

    def _condition(self, node: Any) -> str:
        if self._nunjucks and isinstance(node, nodes.Name) and node.name in self._lists:
            return f"{node.name} | length"
        if isinstance(node, nodes.And | nodes.Or):
            word = "and" if isinstance(node, nodes.And) else "or"
            return f"({self._condition(node.left)}) {word} ({self._condition(node.right)})"
        if isinstance(node, nodes.Not):
            return f"not ({self._condition(node.node)})"
        return self._expression(node)

    def _expression(self, node: Any) -> str:
        return _WRITTEN[type(node)](self, node)

    def operand(self, node: Any) -> str:
        """An expression where it is part of another."""
        text = self._expression(node)
        simple = isinstance(node, nodes.Name | nodes.Const | nodes.List | nodes.Getattr | nodes.Getitem)
        return text if simple else f"({text})"

    def name(self, node: nodes.Name) -> str:
        return node.name

    def const(self, node: nodes.Const) -> str:
        value: Any = node.value
        if value is None:
            return "none"
        if isinstance(value, bool):
            return "true" if value else "false"
        return _quoted(value) if isinstance(value, str) else repr(value)

    def constants(self, node: nodes.List | nodes.Tuple) -> str:
        return f"[{', '.join(map(self._expression, node.items))}]"

    def field(self, node: nodes.Getattr) -> str:
        return f"{self.operand(node.node)}.{node.attr}"

    def item(self, node: nodes.Getitem) -> str:
        return f"{self.operand(node.node)}[{self._expression(node.arg)}]"

    def choice(self, node: nodes.CondExpr) -> str:
        first, other = self.operand(node.expr1), self.operand(node.expr2)
        return f"{first} if {self._condition(node.test)} else {other}"

    def comparison(self, node: nodes.Compare) -> str:
        rest = "".join(f" {_COMPARED[one.op]} {self.operand(one.expr)}" for one in node.ops)
        return f"{self.operand(node.expr)}{rest}"

    def filtered(self, node: nodes.Filter) -> str:
        given = f"({', '.join(map(self._expression, node.args))})" if node.args else ""
        inner = self._expression(node.node)
        plain = isinstance(node.node, nodes.Name | nodes.Const | nodes.Getattr | nodes.Getitem | nodes.Filter)
        return f"{inner if plain else f'({inner})'} | {node.name}{given}"

    def tested(self, node: nodes.Test) -> str:
        name = "null" if self._nunjucks and node.name == "none" else node.name
        return f"{self.operand(node.node)} is {name}"

    def logic(self, node: nodes.And | nodes.Or | nodes.Not) -> str:
        return self._condition(node)


_WRITTEN: Final[dict[type[nodes.Node], Callable[[_Writer, Any], str]]] = {
    nodes.Name: _Writer.name,
    nodes.Const: _Writer.const,
    nodes.List: _Writer.constants,
    nodes.Tuple: _Writer.constants,
    nodes.Getattr: _Writer.field,
    nodes.Getitem: _Writer.item,
    nodes.CondExpr: _Writer.choice,
    nodes.Compare: _Writer.comparison,
    nodes.Filter: _Writer.filtered,
    nodes.Test: _Writer.tested,
    nodes.And: _Writer.logic,
    nodes.Or: _Writer.logic,
    nodes.Not: _Writer.logic,
}


def _quoted(text: str) -> str:
    return f'"{text.translate(_ESCAPES)}"'


@lru_cache(maxsize=1)
def _reader() -> Environment:
    """Parses and never renders; white space around tags stays as it is written."""
    made = Environment(autoescape=False, trim_blocks=False, lstrip_blocks=False, keep_trailing_newline=True)  # noqa: S701 - prompts are no HTML
    made.filters.update(environment().filters)
    return made
