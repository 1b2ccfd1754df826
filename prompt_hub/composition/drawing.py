"""A composition for people: as indented lines, and as a picture in Mermaid's language."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prompt_hub.composition.graph import AskNode, of_inputs, references_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prompt_hub.composition.graph import Composition, RepeatNode


def as_text(composition: Composition) -> str:
    """The inputs, nodes and outputs, a line each."""
    return "\n".join(_lines(composition)) + "\n"


def as_mermaid(composition: Composition) -> str:
    """A flowchart; what a node waits for points at it."""
    lines = ["flowchart TD", "  input([inputs])"]
    for node in composition.nodes:
        if isinstance(node, AskNode):
            lines.append(f"  {_box(node)}")
        else:
            lines += [f'  subgraph {node.name} ["{_escaped(_loop(node))}"]']
            lines += [f"    {_box(inner)}" for inner in node.nodes]
            lines.append("  end")
    arrows = [
        (one.source, node.name, node.when is not None and one == node.when.field)
        for node in composition.ask_nodes
        for one in node.references
    ]
    lines += [
        f"  {source} {'-.->' if is_condition else '-->'} {name}"
        for source, name, is_condition in dict.fromkeys(arrows)
    ]
    lines.append("  output([outputs])")
    sources = [one.source for binding in composition.outputs.values() for one in references_of(binding)]
    lines += [f"  {source} --> output" for source in dict.fromkeys(sources)]
    return "\n".join(lines) + "\n"


def _lines(composition: Composition) -> Iterator[str]:
    yield f"{composition.id}: {composition.description}".rstrip(": ")
    yield f"inputs: {', '.join(composition.input_schema.get('properties', {})) or 'none'}"
    for node in composition.nodes:
        if isinstance(node, AskNode):
            yield from _ask(node, "  ")
        else:
            yield f"  {_loop(node)}"
            for inner in node.nodes:
                yield from _ask(inner, "    ")
    yield "outputs:"
    for name, binding in composition.outputs.items():
        yield f"  {name} = {binding}"


def _ask(node: AskNode, indent: str) -> Iterator[str]:
    asked = "" if node.model is None else f", asked of {node.model}"
    when = "" if node.when is None else f", when {node.when}"
    yield f"{indent}{node.name}: {node.profile_id}/{node.stage}{asked}{when}"
    for variable, binding in node.bindings.items():
        # What is given on under its own name goes without saying.
        plain = references_of(binding)
        if not (len(plain) == 1 and of_inputs(plain[0]) and plain[0].path == (variable,)):
            yield f"{indent}  {variable} = {binding}"


def _loop(node: RepeatNode) -> str:
    rounds = "once" if node.at_most == 1 else f"up to {node.at_most} times"
    return f"{node.name}: {rounds}, until {node.until}"


def _box(node: AskNode) -> str:
    when = "" if node.when is None else f"<br>when {_escaped(str(node.when))}"
    return f'{node.name}["{node.name}<br>{node.profile_id}/{node.stage}{when}"]'


def _escaped(text: str) -> str:
    """Text that ends no label of Mermaid's and is no markup in it."""
    for sign, name in (("&", "amp"), ('"', "quot"), ("<", "lt"), (">", "gt"), ("`", "#96")):
        text = text.replace(sign, f"&{name};")
    return text
