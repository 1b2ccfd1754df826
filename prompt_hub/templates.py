"""The one environment in which templates are read: what they may say, how much, and what they print.

No sandbox of Jinja2's bounds resources, and it lets a template reach into Python's objects. So a template is read
into its syntax tree first, and every node in it must be on a short list: texts, printed variables and fields,
conditions, loops over lists, a few filters. There are no calls, assignments, macros, arithmetic, inheritance or
imports in it. The tree that passes is compiled in an immutable sandbox whose attribute access sees JSON values only.
"""

from __future__ import annotations

import math
from collections import deque
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from jinja2 import StrictUndefined, Template, nodes
from jinja2.exceptions import TemplateSyntaxError
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from prompt_hub.errors import TemplateRefused
from prompt_hub.filters import COMPARED, COUNTED, FILTERS, compared, counted, printed
from prompt_hub.schema import MAX_TEMPLATE_BYTES
from store.yaml_reading import MAX_INTEGER

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_NODES = 4_000
MAX_DEPTH = 32

_TESTS = frozenset({"defined", "undefined", "none"})
_OPENINGS = {"comment_begin": "comment tag", "raw_begin": "raw directive"}
_LOOP_FIELDS = frozenset({"index", "index0", "revindex", "revindex0", "first", "last", "length"})

_SIMPLE: tuple[type[nodes.Node], ...] = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.If,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Compare,
)
_INSTEAD: dict[type[nodes.Node], str] = {
    nodes.Include: 'includes something by other means than {% include "name" %}',
    nodes.Extends: "extends a template; a profile extends another with its own field `extends`",
    nodes.Import: "imports; use {% include %}",
    nodes.FromImport: "imports; use {% include %}",
    nodes.Call: "calls something; templates call nothing",
    nodes.Macro: "defines a macro; use a partial",
    nodes.Assign: "sets a variable; work it out in the code and pass it in",
    nodes.AssignBlock: "sets a variable; work it out in the code and pass it in",
    nodes.Concat: "joins with ~; print one value after the other",
    nodes.BinExpr: "does arithmetic; work it out in the code and pass it in",
}


class PromptEnvironment(ImmutableSandboxedEnvironment):
    """Jinja2 with JSON values for objects: a field is a key, and nothing else of Python's can be reached."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        """A field of a mapping, or what a loop says of its turn."""
        if isinstance(obj, LoopContext) and attribute in _LOOP_FIELDS:
            return getattr(obj, attribute)
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """A field of a mapping, or an item of a list."""
        if type(obj) is dict or (type(obj) is list and type(argument) is int):
            try:
                return obj[argument]
            except LookupError:
                pass
        return self.undefined(obj=obj, name=argument)


@lru_cache(maxsize=1)
def environment() -> PromptEnvironment:
    """The environment; there is one."""
    made = PromptEnvironment(
        undefined=StrictUndefined,
        finalize=printed,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=(),
        loader=None,
    )
    made.globals.clear()
    made.filters.clear()
    made.filters.update(FILTERS)
    made.filters[COUNTED] = counted
    made.filters[COMPARED] = compared
    made.tests = {name: test for name, test in made.tests.items() if name in _TESTS}
    return made


def syntax_tree(text: str) -> nodes.Template:
    """The tree of a template that says nothing but what templates may.

    Raises:
        TemplateRefused: it cannot be read, is too large or too deep, or has something that is not allowed.
    """
    if len(text.encode("utf-8", "surrogatepass")) > MAX_TEMPLATE_BYTES:
        raise TemplateRefused(f"is larger than {MAX_TEMPLATE_BYTES // 1024} KiB, the limit of a template")
    try:
        tree = environment().parse(text)
    except TemplateSyntaxError as error:
        raise TemplateRefused(f"is not a template: {error.message}", error.lineno) from error
    except RecursionError as error:
        raise TemplateRefused("is nested too deeply") from error
    except (ValueError, OverflowError, SyntaxError) as error:
        # Numbers of thousands of digits, escapes that name no character.
        raise TemplateRefused(f"is not a template: {error}") from error
    # Jinja passes over what is begun as the last thing of all, and refuses it with anything behind it.
    for line, kind, _ in deque(environment().lex(text), maxlen=1):
        if kind in _OPENINGS:
            raise TemplateRefused(f"is not a template: Missing end of {_OPENINGS[kind]}", line)
    check_tree(tree)
    return tree


def free_names(tree: nodes.Template) -> dict[str, int]:
    """The variables that a checked template uses, each with the line where it does first."""
    found: dict[str, int] = {}
    waiting: list[tuple[nodes.Node, frozenset[str]]] = [(tree, frozenset())]
    while waiting:
        node, bound = waiting.pop()
        if isinstance(node, nodes.Name) and node.name not in bound:
            found[node.name] = min(node.lineno, found.get(node.name, node.lineno))
        if isinstance(node, nodes.For):
            target = node.target
            inside = bound | {target.name, "loop"} if isinstance(target, nodes.Name) else bound
            waiting.append((node.iter, bound))
            waiting.extend((child, inside) for child in node.body)
            waiting.extend((child, bound) for child in node.else_)
        else:
            waiting.extend((child, bound) for child in node.iter_child_nodes())
    return dict(sorted(found.items()))


@lru_cache(maxsize=512)
def compiled(text: str) -> Template:
    """The template, ready to render; kept by its text.

    Raises:
        TemplateRefused: as `syntax_tree`.
    """
    made = environment()
    tree = syntax_tree(text)
    for loop in list(tree.find_all(nodes.For)):
        parts = sum(1 for child in loop.body for _ in child.find_all(nodes.Node))
        loop.iter = _filtered(
            loop.iter, COUNTED, nodes.Const(parts + 1, lineno=loop.lineno, environment=made)
        )
    side: Any
    for side in list(tree.find_all((nodes.Compare, nodes.Operand))):
        if not isinstance(side.expr, nodes.Const | nodes.List | nodes.Tuple):
            side.expr = _filtered(side.expr, COMPARED)
    try:
        code = made.compile(tree, filename="<prompt>")
    except (RecursionError, SyntaxError) as error:
        raise TemplateRefused("is nested too deeply") from error
    except TemplateSyntaxError as error:
        raise TemplateRefused(f"is not a template: {error.message}", error.lineno) from error
    return Template.from_code(made, code, {})


@lru_cache(maxsize=512)
def is_constant(text: str) -> bool:
    """Whether a template prints the same whatever the values are.

    Raises:
        TemplateRefused: as `syntax_tree`.
    """
    return not free_names(syntax_tree(text))


def _filtered(node: Any, name: str, *arguments: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(
        node, name, list(arguments), [], None, None, lineno=node.lineno, environment=environment()
    )


def check_tree(tree: nodes.Template) -> None:
    """Refuse the first node that is not allowed; with a stack of our own, as the tree may be deep."""
    count = 0
    waiting: list[tuple[nodes.Node, int]] = [(tree, 0)]
    while waiting:
        node, depth = waiting.pop()
        count += 1
        if count > MAX_NODES:
            raise TemplateRefused(f"has more than {MAX_NODES:,} parts, the limit of a template")
        if depth > MAX_DEPTH:
            raise TemplateRefused(f"is nested more than {MAX_DEPTH} deep", node.lineno)
        problem = _problem(node)
        if problem is not None:
            raise TemplateRefused(problem, node.lineno)
        waiting.extend((child, depth + 1) for child in node.iter_child_nodes())


def _problem(node: nodes.Node) -> str | None:
    if isinstance(node, _SIMPLE):
        return None
    check = _CHECKS.get(type(node))
    if check is not None:
        return check(node)
    for kind, problem in _INSTEAD.items():
        if isinstance(node, kind):
            return problem
    return f"has something that templates may not have ({type(node).__name__.lower()})"


def _name_problem(node: Any) -> str | None:
    return f"uses the name {node.name!r}; no name starts with _" if node.name.startswith("_") else None


def _const_problem(node: Any) -> str | None:
    number = isinstance(node.value, float) and not math.isfinite(node.value)
    if number or not isinstance(node.value, str | int | float | bool | None):
        return "has a constant that is not text, a finite number, true, false or none"
    if isinstance(node.value, int) and abs(node.value) > MAX_INTEGER:
        # In hexadecimal a template may hold more digits than Python writes out.
        return "has a number beyond ±(2^53 - 1), which JSON cannot hold"
    return None


def _list_problem(node: Any) -> str | None:
    if all(isinstance(item, nodes.Const) for item in node.items):
        return None
    return "has a list of more than constants"


def _field_problem(node: Any) -> str | None:
    if node.ctx != "load" or node.attr.startswith("_"):
        return f"uses the field {node.attr!r}; fields are keys of JSON values, and none starts with _"
    return None


def _item_problem(node: Any) -> str | None:
    index = node.arg.value if isinstance(node.arg, nodes.Const) else None
    if node.ctx != "load" or not isinstance(index, str | int):
        return "uses an index that is not a constant; for the last item there is the filter last"
    if isinstance(index, str) and index.startswith("_"):
        return f"uses the field {index!r}; no field starts with _"
    return None


def _choice_problem(node: Any) -> str | None:
    # Jinja2 prints nothing there, strict or not.
    return None if node.expr2 is not None else "has an inline if without an else"


def _comparison_problem(node: Any) -> str | None:
    # To look for a text in a long one takes long, and a loop can do it often.
    if node.op in {"in", "notin"} and not isinstance(node.expr, nodes.List | nodes.Tuple):
        return "looks for something with `in` elsewhere than in a list of constants"
    return None


def _filter_problem(node: Any) -> str | None:
    if node.name not in FILTERS:
        return f"uses the filter {node.name!r}; filters are {', '.join(FILTERS)}"
    if node.node is None or node.kwargs or node.dyn_args or node.dyn_kwargs:
        return f"uses the filter {node.name!r} in a way that is not allowed"
    if not all(isinstance(argument, nodes.Const) for argument in node.args):
        return f"gives the filter {node.name!r} something else than constants"
    return None


def _test_problem(node: Any) -> str | None:
    if node.name not in _TESTS or node.args or node.kwargs or node.dyn_args or node.dyn_kwargs:
        return f"uses the test {node.name!r}; tests are {', '.join(sorted(_TESTS))}"
    return None


def _loop_problem(node: Any) -> str | None:
    if not isinstance(node.target, nodes.Name) or node.target.name == "loop":
        return "has a loop with more than one name, or with the name loop"
    if node.recursive or node.test is not None:
        return "has a loop that is recursive or has a condition; put an {% if %} inside"
    return None


_CHECKS: dict[type[nodes.Node], Callable[[Any], str | None]] = {
    nodes.Name: _name_problem,
    nodes.Const: _const_problem,
    nodes.List: _list_problem,
    nodes.Tuple: _list_problem,
    nodes.Getattr: _field_problem,
    nodes.Getitem: _item_problem,
    nodes.CondExpr: _choice_problem,
    nodes.Operand: _comparison_problem,
    nodes.Filter: _filter_problem,
    nodes.Test: _test_problem,
    nodes.For: _loop_problem,
}
