"""Rates: products, sums and quotients of numbers and names, from text that is parsed and never run."""

import ast
import keyword
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Annotated, Any, NamedTuple, TypeAlias

from synkin.arguments import fields
from synkin.arguments.numbers import AnyArray

Sum: TypeAlias = tuple["Product", ...]


# The maximum number of names in a rate. Names that stand for products of names can make a rate grow without bound.
_MOST_NAMES = 10_000
# Python keywords: no attribute and no keyword argument can have such a name.
_KEPT = {*keyword.kwlist} - {"True", "False", "None"}
_WORD = re.compile(r"\b[^\W\d]\w*\b")
# The beginning of a number. Python would also read 1_0 and 0x10, which are refused.
_DIGITS = re.compile(r"(?<![\w.])\d\w*")
_DECIMAL = re.compile(r"\d+([eE]\d*)?")
_CALLED = (ast.Call, ast.Pow, ast.BitXor)


@fields.described
class Product(NamedTuple):
    """A number times names, such as ``2*kon``; also times sums, or divided by names and sums, as ``k*(a + b)/tau``."""

    factor: Annotated[float, "the number"]
    names: Annotated[tuple[str, ...], "names of the parameters that it is multiplied with"]
    times: Annotated[tuple[tuple[Any, ...], ...], "sums that it is multiplied with, each a tuple of products"] = ()
    over: Annotated[tuple[tuple[Any, ...], ...], "sums that it is divided by, each a tuple of products"] = ()

    def __str__(self) -> str:
        return self.written("*")

    def written(self, sign: str) -> str:
        """The product as text, with ``sign`` for a multiplication."""
        if self.is_sum:
            return _added(self.times[0], sign)
        above = [*self.names, *(f"({_added(terms, sign)})" for terms in self.times)]
        number = [f"{self.factor:.12g}"] if self.factor not in (1, -1) or not above else []
        minus = "-" if self.factor == -1 and above else ""
        below = [str(terms[0]) if len(terms) == 1 else f"({_added(terms, sign)})" for terms in self.over]
        return minus + "/".join([sign.join([*number, *above]), *below])

    @property
    def is_sum(self) -> bool:
        """Whether it is a single sum, without other factors."""
        return self.factor == 1 and not self.names and len(self.times) == 1 and not self.over

    @property
    def terms(self) -> Sum:
        """The terms if it is a single sum, else itself."""
        return self.times[0] if self.is_sum else (self,)

    @property
    def parameters(self) -> tuple[str, ...]:
        """All names in it; a name that occurs twice is listed twice."""
        return tuple(_names(self))

    @property
    def may_be_no_rate(self) -> bool:
        """Whether it may be negative or infinite although no parameter is negative."""
        inside = [term for terms in (*self.times, *self.over) for term in terms]
        return self.factor < 0 or bool(self.over) or any(term.may_be_no_rate for term in inside)

    def of(self, values: Mapping[str, AnyArray], start: AnyArray | None = None) -> AnyArray | float:
        """Its value.

        Args:
            values: arrays by name.
            start: a further factor, or None.
        """
        factors = [] if start is None else [start]
        factors += [values[name] for name in self.names]
        found: AnyArray | float = factors[0] if factors else self.factor
        for factor in factors[1:]:
            found = factor * found
        if factors and self.factor != 1:
            found = self.factor * found
        for terms in self.times:
            found = found * _total(terms, values)
        for terms in self.over:
            found = found / _total(terms, values)
        return found


def product(where: str, text: str, instead: str = "") -> Product:
    """A rate from its text.

    Args:
        where: the line, for messages.
        text: the rate.
        instead: what to do if it calls a function or has a power, for messages.

    Raises:
        ValueError: anything but names, numbers, + - * / and parentheses; a number that is not finite, a division by 0.
    """

    def read(node: ast.AST) -> Product:
        if isinstance(node, ast.Name):
            return Product(1.0, (node.id,))
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
            return Product(float(node.value), ())
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
            found = read(node.operand)
            return found if isinstance(node.op, ast.UAdd) else _negative(found)
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
            return _OPERATIONS[type(node.op)](read(node.left), read(node.right))
        raise SyntaxError

    text = text.strip()
    try:
        if not all(map(_DECIMAL.fullmatch, _DIGITS.findall(text))):
            raise SyntaxError
        found = read(ast.parse(own_names(text), mode="eval").body)
    except ZeroDivisionError:
        raise ValueError(f"{where} must not divide by 0, but has `{text:.80}`.") from None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        came = f"`{text:.80}`{instead if _is_called(text) else ''}"
        raise ValueError(
            f"{where} must have a rate of names and numbers, with + - * / and parentheses, but has {came}."
        ) from None
    if not _is_finite(found):
        raise ValueError(f"{where} must have finite numbers, but has `{text:.80}`.")
    return found


def own_names(text: str) -> str:
    """``text`` with a ``_`` after each word that is a Python keyword: ``in_`` for ``in``."""
    return _WORD.sub(lambda word: f"{word[0]}_" if word[0] in _KEPT else word[0], text)


def check_names(lines: Iterable[str]) -> None:
    """Raise ValueError if a name occurs both as a Python keyword and with a ``_`` after it."""
    names = {name for line in lines for name in _WORD.findall(line)}
    for name in sorted(names & _KEPT):
        if f"{name}_" in names:
            raise ValueError(f"A scheme must not have both `{name}` and `{name}_`, as both are `{name}_` in Python.")


def spelled_out(
    where: str, given: Product, named: Mapping[str, Product], used: set[str], inside: tuple[str, ...] = ()
) -> Product:
    """A product in which each name of another product is replaced by that product.

    Args:
        where: the line, for messages.
        given: the product.
        named: the other products by name.
        used: the names that were replaced are added to this set.
        inside: the names that are being replaced, so that none contains itself.
    """

    def replaced(name: str) -> Product:
        if name in inside:
            raise ValueError(f"{where} must have rates that do not depend on themselves, but `{name}` does.")
        if name not in named:
            return Product(1.0, (name,))
        used.add(name)
        return spelled_out(where, named[name], named, used, (*inside, name))

    def of_sum(terms: Sum) -> Product:
        total = spelled_out(where, terms[0], named, used, inside)
        for term in terms[1:]:
            total = _plus(total, spelled_out(where, term, named, used, inside))
        return total

    found = Product(given.factor, ())
    try:
        for part in (*map(replaced, given.names), *map(of_sum, given.times)):
            found = _times(found, part)
        for terms in given.over:
            found = _over(found, of_sum(terms))
    except ZeroDivisionError:
        raise ValueError(f"{where} must not divide by 0, but has `{given}`.") from None
    if sum(1 for _ in _names(found)) > _MOST_NAMES:
        raise ValueError(f"{where} must have rates of at most {_MOST_NAMES:,} names, but has more once spelled out.")
    return found


def without(where: str, given: Product, ligand: str) -> tuple[Product | None, Product | None]:
    """A rate as ``bound * ligand + free``: the products ``bound`` and ``free``, None for one that is missing.

    Raises:
        ValueError: a rate that is not linear in the ligand.
    """
    if ligand not in given.parameters:
        return None, given
    own = [ligand in given.names, *(any(ligand in term.parameters for term in terms) for terms in given.times)]
    if given.names.count(ligand) > 1 or sum(own) > 1:
        raise ValueError(f"{where} must have its ligand once, but has it twice.")
    if any(ligand in term.parameters for terms in given.over for term in terms):
        raise ValueError(f"{where} must be proportional to its ligand, {ligand}, but has `{given}`.")
    if own[0]:
        return given._replace(names=tuple(name for name in given.names if name != ligand)), None
    i = own.index(True) - 1
    parts = [without(where, term, ligand) for term in given.times[i]]
    others = given._replace(times=given.times[:i] + given.times[i + 1 :])
    bound, free = ([found for part in parts if (found := part[k]) is not None] for k in (0, 1))
    return _times(others, _sum(bound)), _times(others, _sum(free)) if free else None


def _names(given: Product) -> Iterator[str]:
    yield from given.names
    for terms in (*given.times, *given.over):
        for term in terms:
            yield from _names(term)


def _total(terms: Sum, values: Mapping[str, AnyArray]) -> AnyArray | float:
    total = terms[0].of(values)
    for term in terms[1:]:
        total = total + term.of(values)
    return total


def _added(terms: Sum, sign: str) -> str:
    """A sum as text, with ``sign`` for a multiplication."""
    first, *others = (term.written(sign) for term in terms)
    return first + "".join(f" - {text[1:]}" if text.startswith("-") else f" + {text}" for text in others)


def _negative(one: Product) -> Product:
    if one.is_sum:
        return _sum(_negative(term) for term in one.terms)
    return one._replace(factor=-one.factor)


def _times(one: Product, other: Product) -> Product:
    if not (one.names or one.times or one.over) and one.factor == 1:
        return other
    return Product(one.factor * other.factor, one.names + other.names, one.times + other.times, one.over + other.over)


def _over(one: Product, other: Product) -> Product:
    below = (*((Product(1.0, (name,)),) for name in other.names), *other.times)
    return Product(one.factor / other.factor, one.names, one.times + other.over, one.over + below)


def _plus(one: Product, other: Product) -> Product:
    return _sum((*one.terms, *other.terms))


def _sum(terms: Iterable[Product]) -> Product:
    """The sum of terms, with all plain numbers added to one."""
    numbers, others = 0.0, list[Product]()
    place = None
    for term in terms:
        if term.names or term.times or term.over:
            others.append(term)
        else:
            place = len(others) if place is None else place
            numbers += term.factor
    if place is not None and (numbers or not others):
        others.insert(place, Product(numbers, ()))
    return others[0] if len(others) == 1 else Product(1.0, (), (tuple(others),))


_OPERATIONS: dict[type[ast.AST], Callable[[Product, Product], Product]] = {
    ast.Mult: _times,
    ast.Div: _over,
    ast.Add: _plus,
    ast.Sub: lambda one, other: _plus(one, _negative(other)),
}


def _is_finite(given: Product) -> bool:
    inside = (term for terms in (*given.times, *given.over) for term in terms)
    return math.isfinite(given.factor) and all(map(_is_finite, inside))


def _is_called(text: str) -> bool:
    """Whether it calls a function or has a power, in whose place a name with a value can stand."""
    try:
        tree = ast.parse(own_names(text), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return any(isinstance(node, _CALLED) for node in ast.walk(tree))
