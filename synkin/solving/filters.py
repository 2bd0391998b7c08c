"""What a recording does to a conductance: filters, as small linear systems that g drives.

    u' = A u + b g,    and the last variable of u is what is recorded

A filter is a chain of sections, each with one real pole or a pair of complex ones. Each passes a constant unchanged.
Several filters in a row are one longer chain.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from synkin.arguments import fields, units
from synkin.arguments.known import concrete_value
from synkin.arguments.messages import describe
from synkin.arguments.numbers import POSITIVE, as_floating, check_number, check_whole, in_range, nan_unless

# The poles of a filter with a negative real part and an imaginary part of at least 0, in units of its rate.
Poles: TypeAlias = tuple[complex, ...]
# Those of several filters in a row.
Chain: TypeAlias = tuple[Poles, ...]

_MOST_POLES = 10


class Filter:
    """A low-pass filter of a recording, made by `synkin.bessel` or `synkin.one_pole`.

    Example:
        >>> amplifier = synkin.bessel(4, 2.0)
        >>> round(float(amplifier.cutoff), 3)  # kHz
        2.0
    """

    @property
    def poles(self) -> Poles:
        """Those in the upper half of the complex plane, in units of `rate`."""
        raise NotImplementedError

    @property
    def rate(self) -> ArrayLike:
        """What its poles are multiples of, /ms."""
        raise NotImplementedError

    @property
    def cutoff(self) -> ArrayLike:
        """The frequency in kHz at which half of the power passes (-3 dB)."""
        return self.rate / (2 * math.pi)

    @property
    def rise_time(self) -> ArrayLike:
        """The time in ms that a step takes from 10 to 90 % of its height."""
        return _rise(self.poles) / self.rate

    def response(self, kHz: ArrayLike) -> Array:
        """By what an oscillation is multiplied: the absolute value is the gain, the angle is the phase.

        Args:
            kHz: the frequency in kHz, any shape.

        Returns:
            Complex numbers of that shape; 1 at a frequency of 0.

        Example:
            >>> print(abs(synkin.bessel(4, 2.0).response([0.0, 2.0, 10.0])).round(3))
            [1. 0.707 0.008]
        """
        frequency = 2 * math.pi * as_floating(kHz) / self.rate
        at = jax.lax.complex(jnp.zeros_like(frequency), frequency)
        passed = jnp.ones_like(at)
        for pole in _all(self.poles):
            passed = passed * (-pole / (at - pole))
        return passed


@functools.partial(jax.tree_util.register_dataclass, data_fields=["kHz"], meta_fields=["order"])
@fields.described
@dataclass(frozen=True)
class Bessel(Filter):
    """A low-pass Bessel filter, made by `synkin.bessel`."""

    order: Annotated[int, "the number of poles, 1 to 10"]
    kHz: Annotated[ArrayLike, "the frequency at which half of the power passes (-3 dB)", "kHz"]

    @property
    def poles(self) -> Poles:
        """Those in the upper half of the complex plane, in units of `rate`."""
        return bessel_poles(self.order)

    @property
    def rate(self) -> ArrayLike:
        """The cut-off as an angular frequency, /ms."""
        return 2 * math.pi * self.kHz


@functools.partial(jax.tree_util.register_dataclass, data_fields=["tau"], meta_fields=[])
@fields.described
@dataclass(frozen=True)
class OnePole(Filter):
    """A filter with one time constant, made by `synkin.one_pole`."""

    tau: Annotated[ArrayLike, "the time constant", "ms"]

    @property
    def poles(self) -> Poles:
        """Its one pole, in units of `rate`."""
        return (complex(-1),)

    @property
    def rate(self) -> ArrayLike:
        """One over the time constant, /ms."""
        return 1 / self.tau


def bessel(order: int, kHz: ArrayLike) -> Bessel:
    """The low-pass Bessel filter of an amplifier, for the argument ``filter`` of `synkin.respond` and `synkin.fit`.

    Args:
        order: the number of poles, 1 to 10; most amplifiers have 4.
        kHz: the cut-off frequency in kHz, at which half of the power passes (-3 dB). It may be traced.

    Returns:
        A filter. It is a pytree whose leaf is the cut-off, and hashable unless the cut-off is an array.

    Raises:
        TypeError, ValueError: the order is not a whole number from 1 to 10, or the cut-off is not positive.

    Some manuals give the cut-off at which the phase is halfway instead, which is higher.
    Source: Thomson 1949, Proc. IEE 96:487.

    Example:
        >>> amplifier = synkin.bessel(4, 2.0)  # four poles, 2 kHz
        >>> times = np.array([1.5, 2.0])
        >>> g = synkin.respond(synkin.ampa, synkin.ampa.Params(), [1.0], times, filter=amplifier)
        >>> print(g.round(3))
        [0.145 0.196]
        >>> round(float(amplifier.rise_time), 3)  # ms, from 10 to 90 %
        0.175
    """
    expected = f"a whole number from 1 to {_MOST_POLES}"
    number = check_whole("order", order, expected)
    if number > _MOST_POLES:
        raise ValueError(f"Argument `order` must be {expected}, but is {number}.")
    return Bessel(number, _positive("kHz", kHz, "1/ms", "kHz"))


def one_pole(tau: ArrayLike) -> OnePole:
    """A low-pass filter with one time constant, as of series resistance and cell capacitance, for the argument
    ``filter``.

    Args:
        tau: the time constant in ms, positive; 1 MOhm times 1 pF is 1e-3 ms. It may be traced.

    Returns:
        A filter. It is a pytree whose leaf is tau, and hashable unless tau is an array.

    Raises:
        TypeError, ValueError: tau is not a positive number.

    Source: Jackson 1992, Curr. Protoc. Neurosci., unit 6.6.

    Example:
        >>> electrode = synkin.one_pole(1e-3 * 10.0 * 20.0)  # 10 MOhm and 20 pF, in ms
        >>> times = np.array([1.5, 2.0])
        >>> g = synkin.respond(synkin.ampa, synkin.ampa.Params(), [1.0], times, filter=electrode)
        >>> print(g.round(3))
        [0.137 0.191]
    """
    return OnePole(_positive("tau", tau, "ms", "ms"))


def as_filters(value: object) -> tuple[Filter, ...]:
    """What ``filter=`` was given, as a tuple: none, one, or several in a row.

    Raises:
        TypeError: something else.
    """
    if value is None:
        return ()
    given = tuple(value) if isinstance(value, tuple | list) else (value,)
    for each in given:
        if not isinstance(each, Filter):
            raise TypeError(
                "Argument `filter` must be a filter such as synkin.bessel(4, 2.0), or a tuple of several, but is "
                f"{describe(value)}."
            )
    return given


def known_filters(value: object) -> tuple[Filter, ...]:
    """`as_filters`, of which all numbers are known now: such filters are equal where their numbers are.

    Raises:
        TypeError: something else, or a filter with a traced number.
    """
    given = as_filters(value)
    for each in given:
        if concrete_value(each.rate) is None:
            raise TypeError("Argument `filter` must have numbers that are known here, but has a traced one.")
    return tuple(jax.tree.map(float, each) for each in given)


def above_half_the_sampling_rate(filters: Sequence[Filter], interval: float) -> str | None:
    """A sentence about a filter whose cut-off is above half of the sampling rate; None where there is none.

    Args:
        filters: whose numbers are known.
        interval: between samples, ms.
    """
    for each in filters:
        cutoff = concrete_value(each.cutoff)
        if cutoff is not None and cutoff > 0.5 / interval:
            return (
                f"The filter's cut-off of {float(cutoff):.3g} kHz is above half of the sampling rate "
                f"({0.5 / interval:.3g} kHz), so that the samples hardly show what it does: look up whether it is in "
                "kHz, at -3 dB."
            )
    return None


def chain_of(filters: Sequence[Filter]) -> Chain:
    """All that is known of filters in a row whatever their numbers are."""
    return tuple(each.poles for each in filters)


def size(chain: Chain) -> int:
    """The number of variables of a chain."""
    return sum(len(_all(poles)) for poles in chain)


def system(chain: Chain, rates: Sequence[Array]) -> tuple[list[list[Array]], list[Array]]:
    """The rows of A, and b, /ms.

    Args:
        chain: see `chain_of`.
        rates: the rate of each filter.

    A pair of poles of absolute value w and real part -a is ``v' = w (input - u) - 2 a v``, ``u' = w v``: no number is
    larger than a pole, so that short stretches stay long.
    """
    n, zero = size(chain), jnp.zeros_like(rates[0])
    rows, inflow = [[zero] * n for _ in range(n)], [zero] * n
    at = 0
    for poles, rate in zip(chain, rates, strict=True):
        for pole in poles:
            w = abs(pole) * rate
            rows[at][at] = 2 * pole.real * rate if pole.imag else -w
            if at:
                rows[at][at - 1] = w
            else:
                inflow[at] = w
            if pole.imag:
                rows[at][at + 1], rows[at + 1][at] = -w, w
            at += 2 if pole.imag else 1
    return rows, inflow


def at_rest(chain: Chain, g: Array) -> list[Array]:
    """The variables of a chain that g has driven for ever."""
    variables: list[Array] = []
    for poles in chain:
        for pole in poles:
            variables += [jnp.zeros_like(g), g] if pole.imag else [g]
    return variables


def slowest_and_fastest(chain: Chain, rates: Sequence[Array]) -> tuple[Array, Array]:
    """The slowest rate at which a chain forgets, and the largest absolute value of its poles, /ms."""
    slowest = [rate * min(-pole.real for pole in poles) for poles, rate in zip(chain, rates, strict=True)]
    fastest = [rate * max(abs(pole) for pole in poles) for poles, rate in zip(chain, rates, strict=True)]
    return functools.reduce(jnp.minimum, slowest), functools.reduce(jnp.maximum, fastest)


@functools.cache
def bessel_poles(order: int) -> Poles:
    """The poles of a Bessel filter that passes half of the power at an angular frequency of 1, the smallest first."""
    # The reverse Bessel polynomial, whose coefficients are whole numbers.
    coefficients = [
        math.factorial(2 * order - k) // (2 ** (order - k) * math.factorial(k) * math.factorial(order - k))
        for k in range(order, -1, -1)
    ]
    polynomial = np.array(coefficients, np.longdouble)
    roots = np.roots(np.array(coefficients, float)).astype(np.clongdouble)
    slope = np.polyder(polynomial)
    for _ in range(4):  # Newton's method, for the last digits
        roots = roots - np.polyval(polynomial, roots) / np.polyval(slope, roots)

    def power(frequency: float) -> float:
        return float(np.prod(np.abs(roots) ** 2 / np.abs(1j * frequency - roots) ** 2))

    half = _crossing(lambda frequency: -power(frequency), -0.5, 0.0, float(2 * np.abs(roots).max()))
    scaled = (roots / half).astype(complex)
    upper = [complex(pole.real, pole.imag if abs(pole.imag) > 1e-9 else 0.0) for pole in scaled if pole.imag > -1e-9]
    return tuple(sorted(upper, key=abs))


@functools.cache
def _rise(poles: Poles) -> float:
    """The 10-90 % rise of the answer to a step, in units of one over the rate."""
    every = np.array(_all(poles))
    others = [np.delete(every, i) for i in range(len(every))]
    parts = np.array([-np.prod(-rest / (pole - rest)) for pole, rest in zip(every, others, strict=True)])

    def height(time: float) -> float:
        return float(1 + (parts * np.exp(every * time)).real.sum())

    times = np.linspace(0.0, 10.0, 1001)
    top = float(times[np.argmax([height(time) > 0.95 for time in times])])
    return _crossing(height, 0.9, 0.0, top) - _crossing(height, 0.1, 0.0, top)


def _crossing(function: Callable[[float], float], level: float, low: float, high: float) -> float:
    """Where a rising function crosses a level, by halving."""
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) < level else (low, middle)
    return (low + high) / 2


def _all(poles: Poles) -> list[complex]:
    """With those in the lower half of the complex plane."""
    return [each for pole in poles for each in ([pole, pole.conjugate()] if pole.imag else [pole])]


def _positive(name: str, value: ArrayLike, unit: str, called: str) -> ArrayLike:
    """A positive scalar; a traced one that is not becomes NaN.

    Raises:
        TypeError, ValueError: no such number.
    """
    plain = units.strip_unit(name, value, unit)
    number = check_number(name, plain, lambda v: np.isfinite(v) and v > 0, f"a positive number of {called}")
    known = concrete_value(number)
    if known is None:
        return nan_unless(number, in_range(POSITIVE, as_floating(number), jnp))
    return float(known)
