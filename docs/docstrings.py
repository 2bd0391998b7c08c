"""What the reference says beside the docstrings as they stand in the code: what is known once the library is imported.

A kernel, a published scheme or a set of parameters is an object, and no function or class: its page is made of what it
says of itself. Fields of what a function returns are listed with what `synkin.arguments.fields` knows of them, and a
name in backticks leads to its entry.
"""

import ast
import importlib
import inspect
import re
import textwrap
from typing import Any

import griffe

import synkin
from synkin import presets
from synkin.arguments import fields
from synkin.declaring.kernel import Kernel
from synkin.networks import spike_at_end
from synkin.objects import constructors

_NAME = re.compile(r"(?<!`)`(?P<name>(?:synkin\.)?[A-Za-z_]\w*(?:\.\w+)*)`(?!`)")

# Where the example of a docstring begins, which is its last part.
_EXAMPLE = "\nExample:\n"

_TOGETHER = re.compile(r"(?m)^    (?P<names>[A-Za-z_]\w*(?:, [A-Za-z_]\w*)+): (?P<said>.*(?:\n {8}.*)*)")


class Docstrings(griffe.Extension):
    """See above."""

    def on_package(self, *, pkg: griffe.Module, **kwargs: Any) -> None:
        """Complete what was read from the files."""
        for module in modules(pkg):
            # The frameworks that an adapter needs are not installed for the pages: it is taken as it is written.
            is_adapter = module.path.startswith("synkin.adapters.")
            at_runtime = None if is_adapter else importlib.import_module(module.path)
            for member in list(module.members.values()):
                if member.is_alias:
                    continue
                if is_adapter:
                    if member.is_class and "kernel" in member.members and member.members["kernel"].value:
                        complete(member, pkg["adapters.brainstate.synapse.Synapse"])
                    continue
                if member.is_class:
                    describe(member, getattr(at_runtime, member.name))
                    if "__init__" in member.members:
                        evaluate(member.members["__init__"], getattr(at_runtime, member.name).__init__)
                elif member.is_function:
                    evaluate(member, getattr(at_runtime, member.name))
                elif member.is_attribute:
                    text = about(getattr(at_runtime, member.name, None))
                    if text:
                        member.docstring = griffe.Docstring(text, parent=member)
            for each in (module, *walk(module)):
                if each.docstring:
                    each.docstring.value = example_last(linked(one_by_one(each.docstring.value)))


def modules(module: griffe.Module) -> list[griffe.Module]:
    """A package's modules, itself first; not those that are run."""
    found = [module]
    for member in module.members.values():
        if not member.is_alias and member.is_module and not member.name.startswith("__") and member.name != "data":
            found += modules(member)
    return found


def walk(item: Any) -> list[Any]:
    """Functions, classes, attributes and what is in them."""
    found = []
    for member in item.members.values():
        if not member.is_alias and not member.is_module:
            found += [member, *walk(member)]
    return found


def describe(item: griffe.Class, kind: Any) -> None:
    """List the fields of a NamedTuple or dataclass in its docstring; that of an object is made of its kernel."""
    if "kernel" in vars(kind):
        item.docstring.value = inspect.getdoc(kind)
    said = fields.said(kind)
    if item.name == "TsodyksMarkram":
        item.docstring.value = about(synkin.tsodyks_markram)
    if not said:
        return
    lines = []
    for name, (meaning, unit) in said.items():
        if name in item.members:  # and not a base's, which has no entry
            attribute = item.members[name]
            attribute.annotation = attribute.annotation.slice.elements[0]  # of Annotated[type, meaning, unit]
        lines.append(f"    {name}: {fields.describe_field(meaning, unit)}")
    item.docstring.value = "\n".join([item.docstring.value, "", "Attributes:", *lines])


def complete(item: griffe.Class, base: griffe.Class) -> None:
    """Give a synapse class of an adapter its docstring and defaults, as `from_kernel` does when it is imported."""
    name = str(item.members["kernel"].value)
    kernel = getattr(synkin, name, None) or getattr(spike_at_end, name)
    written = item if "__init__" in item.members else item.parent[str(item.bases[0])]
    constructor = written.members["__init__"]
    holders = [item, item.parent.members.get(str(item.bases[0])), base]
    initializers, values_may_be, example = (
        next(each.members[field].value for each in holders if each and field in each.members)
        for field in ("_initializers", "_values_may_be", "_example")
    )
    item.docstring.value = constructors.docstring(
        item.docstring.value,
        kernel,
        [parameter.name for parameter in constructor.parameters][1:],
        ast.literal_eval(str(initializers)),
        ast.literal_eval(str(values_may_be)),
        ast.literal_eval(str(example)),
        item.name,
    )
    for name, known in kernel.parameters.items() if written is item else ():
        constructor.parameters[name].default = repr(known.default)


def evaluate(item: griffe.Function, function: Any) -> None:
    """Show the values of defaults that have names, such as those of parameters."""
    for name, known in inspect.signature(function).parameters.items():
        if isinstance(known.default, float | str | tuple):
            item.parameters[name].default = repr(known.default)


def one_by_one(text: str) -> str:
    """A docstring in which names described together, as "a, b: ...", are described each; exceptions with an or."""

    def each(found: re.Match[str]) -> str:
        if found["names"].endswith("Error"):
            return f"    {found['names'].replace(', ', ' or ')}: {found['said']}"
        return "\n".join(f"    {name}: {found['said']}" for name in found["names"].split(", "))

    return _TOGETHER.sub(each, text)


def example_last(text: str) -> str:
    """A docstring with its example behind the attributes, as the section that griffe knows."""
    text, begins, example = text.partition(_EXAMPLE)
    example, _, attributes = example.partition("\n\nAttributes:\n")
    attributes = f"\n\nAttributes:\n{attributes}\n" if attributes else ""
    return text + attributes + begins.replace("Example", "Examples") + example


def about(value: Any) -> str:
    """What an object says of itself, as Markdown; "" of what is none of ours."""
    if isinstance(value, Kernel) or value is synkin.tsodyks_markram:
        return "\n\n".join(filter(None, [*prose(value), ways(value), table_of(value), example(value)]))
    if isinstance(value, presets.Preset):
        said = f"`{value.kernel.name}` with {listed(value.params)}; E = {value.E:g} mV"
    elif isinstance(value, presets.ShortTerm):
        said = f"`tsodyks_markram` with {listed(value.params)}; a current that decays with {value.tau:g} ms"
    elif isinstance(value, presets.MgBlock):
        said = f"Mg = {value.Mg:g} mM, a = {value.a:g} /mV, b = {value.b:g} mM"
    else:
        return ""
    return f"{said}.\n\nSource: {value.source}."


def listed(params: Any) -> str:
    """Such as "alpha 1.1, beta 0.19"."""
    return ", ".join(f"{name} {value:g}" for name, value in params._asdict().items())


def prose(kernel: Any) -> list[str]:
    """The text of a kernel's docstring, without its lists."""
    text = kernel.__doc__ if isinstance(kernel, Kernel) else re.sub(r"(?m)^    ", "", type(kernel).__doc__)
    text = text.partition(_EXAMPLE)[0]
    return [re.sub(r"(?ms)^(Transitions|Parameters):\n.*?^State: [^\n]*\n?", "", text).strip()]


def example(kernel: Any) -> str:
    """The example of a kernel's docstring, as code."""
    text = kernel.__doc__ if isinstance(kernel, Kernel) else re.sub(r"(?m)^    ", "", type(kernel).__doc__)
    return f"```pycon\n{textwrap.dedent(text.partition(_EXAMPLE)[2]).strip()}\n```"


def ways(kernel: Any) -> str:
    """A scheme's transitions, as code."""
    if not hasattr(kernel, "transitions"):
        return ""
    opened = [state if weight == 1 else f"{weight:g} {state}" for state, weight in kernel.open.items()]
    lines = [str(way) for way in kernel.transitions]
    return "\n".join(["```text", *lines, "```", "", f"Conducting: {', '.join(opened)}."])


def table_of(kernel: Any) -> str:
    """Parameters and state; of a scheme, whose states are told apart by their transitions alone, their names."""
    lines = ["| parameter | default | |", "| --- | --- | --- |"]
    for name, known in kernel.parameters.items():
        lines.append(f"| ``{name}`` | {known.default:g} | {getattr(kernel.Params, name).__doc__} |")
    if hasattr(kernel, "states"):
        first, *states = (f"``{state}``" for state in kernel.states)
        left = kernel.State.pulse_left.__doc__
        said = f"State: {', '.join(states)}, the part of the receptors in each, the rest being in {first}"
        return "\n".join([*lines, "", f"{said}; and ``pulse_left``, {left}."])
    lines += ["", "| state | |", "| --- | --- |"]
    lines += [f"| ``{name}`` | {getattr(kernel.State, name).__doc__} |" for name in kernel.State._fields]
    return "\n".join(lines)


def linked(text: str) -> str:
    """A text in which public names lead to their entries."""

    def link(found: re.Match[str]) -> str:
        name = found["name"]
        first, *rest = name.removeprefix("synkin.").split(".")
        if first not in synkin.__all__:
            return found[0]
        return f'<autoref identifier="{entry(first, rest)}" optional><code>{name}</code></autoref>'

    return _NAME.sub(link, text)


def entry(first: str, rest: list[str]) -> str:
    """Where what is public by a name is defined, which is what its entry is called."""
    value = getattr(synkin, first)
    if isinstance(value, Kernel):
        return ".".join([value.home, first, *rest])
    if value is synkin.tsodyks_markram:
        return ".".join([type(value).__module__, type(value).__qualname__, *rest])
    for i, name in enumerate(rest):
        value = getattr(value, name, None)
        if hasattr(value, "__qualname__"):
            first, rest = "", rest[i + 1 :]
            break
    if hasattr(value, "__qualname__"):
        return ".".join([value.__module__, value.__qualname__, *rest])
    return ".".join(["synkin", first, *rest])
