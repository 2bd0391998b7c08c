"""Cycles of schemes, found by eye, and how far they are from microscopic reversibility."""

import itertools

import numpy as np
import pytest

import synkin
from synkin import schemes
from synkin.declaring import reversibility


def rates(n, edges):
    """[i, j] the rate from j to i; each of ``edges`` is (i, j, from i to j, from j to i)."""
    matrix = np.zeros((n, n))
    for i, j, forward, backward in edges:
        matrix[j, i], matrix[i, j] = forward, backward
    return matrix


NAMES = tuple("ABCDEFGH")


def test_no_cycle_in_a_chain():
    assert reversibility.find(NAMES[:3], rates(3, [(0, 1, 2.0, 3.0), (1, 2, 1.0, 5.0)])) == ()


def test_a_triangle_either_way_round():
    (cycle,) = reversibility.find(NAMES[:3], rates(3, [(0, 1, 2.0, 3.0), (1, 2, 5.0, 7.0), (2, 0, 11.0, 13.0)]))
    ratio = 2 * 5 * 11 / (3 * 7 * 13)
    forward = "ABCABC".find("".join(cycle.states)) >= 0
    assert {*cycle.states} == {"A", "B", "C"}
    np.testing.assert_allclose(cycle.ratio, ratio if forward else 1 / ratio, rtol=1e-14)


def test_a_way_back_that_is_not_there():
    (cycle,) = reversibility.find(NAMES[:3], rates(3, [(0, 1, 1.0, 0.0), (1, 2, 1.0, 1.0), (2, 0, 1.0, 1.0)]))
    assert cycle.ratio in (np.inf, 0.0)


def test_the_smallest_of_a_ladder():
    """Three squares side by side: those three, and not the rings around two or three of them."""
    edges = [(i, i + 1, 1.0, 2.0) for i in range(3)] + [(i + 4, i + 5, 1.0, 2.0) for i in range(3)]
    edges += [(i, i + 4, 3.0 + i, 1.0) for i in range(4)]
    found = reversibility.find(NAMES, rates(8, edges))
    assert [sorted(cycle.states) for cycle in found] == [[*"ABEF"], [*"BCFG"], [*"CDGH"]]


@pytest.mark.parametrize("seed", range(5))
def test_a_basis_of_as_many_as_there_must_be(seed):
    """Independent modulo 2, and detailed balance makes every one of them 1."""
    rng = np.random.default_rng(seed)
    n = 8
    energies = rng.normal(size=n)
    pairs = [(i, j) for i, j in itertools.combinations(range(n), 2) if j == i + 1 or rng.random() < 0.35]
    scale = dict(zip(pairs, rng.uniform(0.1, 9, len(pairs)), strict=True))
    edges = [(i, j, scale[i, j] * np.exp(-energies[j]), scale[i, j] * np.exp(-energies[i])) for i, j in pairs]
    found = reversibility.find(NAMES, rates(n, edges))
    assert len(found) == len(pairs) - n + 1
    np.testing.assert_allclose([cycle.ratio for cycle in found], 1, rtol=1e-12)
    rows = np.zeros((len(found), len(pairs)), int)
    for row, cycle in zip(rows, found, strict=True):
        around = [NAMES.index(state) for state in cycle.states]
        for a, b in itertools.pairwise([*around, around[0]]):
            row[pairs.index((min(a, b), max(a, b)))] += 1
    assert (rows.max(axis=1) == 1).all()
    assert _rank_modulo_2(rows) == len(found)


def _rank_modulo_2(rows):
    rows, rank = rows.copy() % 2, 0
    for column in range(rows.shape[1]):
        pivot = next((i for i in range(rank, len(rows)) if rows[i, column]), None)
        if pivot is None:
            continue
        rows[[rank, pivot]] = rows[[pivot, rank]]
        for i in range(len(rows)):
            if i != rank and rows[i, column]:
                rows[i] = (rows[i] + rows[rank]) % 2
        rank += 1
    return rank


def worst(kernel, params=None):
    """The largest factor by which the rates around a cycle disagree."""
    found = kernel.reversibility(params)
    return max(np.exp(np.abs(np.log([cycle.ratio for cycle in found])))), len(found)


def test_a_cycle_with_a_sum_and_a_quotient(x64):
    kernel = synkin.scheme(
        "A + glu <-> B : k1, k2\nB <-> C : k3 + k4, 1/tau\nA + glu <-> C : k6, k5\nC <-> D : 0, k1",
        **{"open": "C", "k1": 2.0, "k2": 1.0, "k3": 0.5, "k4": 0.25, "tau": 4.0, "k5": 3.0, "k6": 1.5},
    )
    (cycle,) = kernel.reversibility(T=0.5)
    assert abs(np.log(cycle.ratio)) == pytest.approx(np.log(2 * 0.75 * 3 / (1 * 0.25 * 1.5)), rel=1e-12)


def test_published_schemes(x64):
    """Kampa's 1.48 at any voltage and magnesium, Jonas's 0.6 % and 0.1 %, glycine's 8 %."""
    kampa = schemes.kampa2004
    for V, Mg in ((-60.0, 1.0), (40.0, 1.0), (0.0, 0.2)):
        ratio, count = worst(kampa, kampa.Params(V=V, Mg=Mg))
        assert count == 4
        assert abs(np.log(ratio) - 0.39) < 0.005
    assert [
        round(100 * (worst(kernel)[0] - 1), 1) for kernel in (schemes.jonas1993, schemes.jonas1993_independent)
    ] == [
        *(0.6, 0.1),
    ]
    assert worst(schemes.jonas1993)[1] == 2
    # Two cycles that share a side, both the same way round: 8 % around both of them.
    one, other = (np.exp(np.abs(np.log(cycle.ratio))) for cycle in schemes.glyr_flip.reversibility())
    np.testing.assert_allclose([one, other, one * other], [1.044, 1.034, 1.080], atol=6e-4)
    ratio, count = worst(schemes.nachr_ch82)
    assert count == 1
    assert abs(ratio - 1) < 1e-6
    for name in ("ampa5", "nmda5", "gabaa5", "raman1992", "lester_jahr1992"):
        assert getattr(schemes, name).reversibility() == ()


def test_the_concentration_matters_to_a_cycle_that_binds_more_than_it_lets_go(x64):
    """One that binds once and unbinds once does not depend on it."""
    for T in (0.01, 1.0, 30.0):
        ratios = [cycle.ratio for cycle in schemes.glyr_flip.reversibility(T=T)]
        np.testing.assert_allclose(ratios, [cycle.ratio for cycle in schemes.glyr_flip.reversibility()], rtol=1e-12)
