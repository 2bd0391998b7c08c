"""Cycles of schemes, found by eye, and how far they are from microscopic reversibility."""

import itertools

import numpy as np
import pytest

import synkin
from synkin import schemes
from synkin.declaring import reversibility

NAMES = tuple("ABCDEFGH")


def cycles(n, edges):
    """Each of ``edges`` is (i, j, from i to j, from j to i)."""
    matrix = np.zeros((n, n))
    for i, j, forward, backward in edges:
        matrix[j, i], matrix[i, j] = forward, backward
    return reversibility.find(NAMES[:n], matrix)


def test_a_chain_a_triangle_and_three_squares():
    """Of squares side by side those three, and not the rings around two or three of them."""
    assert cycles(3, [(0, 1, 2.0, 3.0), (1, 2, 1.0, 5.0)]) == ()
    (cycle,) = cycles(3, [(0, 1, 2.0, 3.0), (1, 2, 5.0, 7.0), (2, 0, 11.0, 13.0)])
    ratio = 2 * 5 * 11 / (3 * 7 * 13)
    assert {*cycle.states} == {"A", "B", "C"}
    np.testing.assert_allclose(cycle.ratio, ratio if "".join(cycle.states) in "ABCABC" else 1 / ratio, rtol=1e-14)
    (cycle,) = cycles(3, [(0, 1, 1.0, 0.0), (1, 2, 1.0, 1.0), (2, 0, 1.0, 1.0)])
    assert cycle.ratio in (np.inf, 0.0)  # a way back that is not there
    edges = [(i, i + 1, 1.0, 2.0) for i in (0, 1, 2, 4, 5, 6)] + [(i, i + 4, 3.0 + i, 1.0) for i in range(4)]
    assert [sorted(cycle.states) for cycle in cycles(8, edges)] == [[*"ABEF"], [*"BCFG"], [*"CDGH"]]


@pytest.mark.parametrize("seed", range(5))
def test_a_basis_of_as_many_as_there_must_be(seed):
    """Independent modulo 2, and detailed balance makes every one of them 1."""
    rng = np.random.default_rng(seed)
    n, at_rest = 8, np.exp(-rng.normal(size=8))
    pairs = [(i, j) for i, j in itertools.combinations(range(n), 2) if j == i + 1 or rng.random() < 0.35]
    sizes = rng.uniform(0.1, 9, len(pairs))
    found = cycles(n, [(i, j, s * at_rest[j], s * at_rest[i]) for (i, j), s in zip(pairs, sizes, strict=True)])
    assert len(found) == len(pairs) - n + 1
    np.testing.assert_allclose([cycle.ratio for cycle in found], 1, rtol=1e-12)
    kept = set()  # of independent sets of edges, each the one that has a leading edge of its own
    for cycle in found:
        around = [NAMES.index(state) for state in cycle.states]
        ways = [(min(way), max(way)) for way in itertools.pairwise([*around, around[0]])]
        assert {*ways} <= {*pairs}
        left = frozenset(ways)
        assert len(left) == len(ways)
        for other in sorted(kept, key=max, reverse=True):
            left = left ^ other if max(other) in left else left
        assert left
        kept.add(left)


def ratios(kernel, params=None, **options):
    """By how much the rates around each cycle disagree, as a factor."""
    return [float(np.exp(abs(np.log(cycle.ratio)))) for cycle in kernel.reversibility(params, **options)]


def test_a_cycle_with_a_sum_and_a_quotient(x64):
    kernel = synkin.scheme(
        "A + glu <-> B : k1, k2\nB <-> C : k3 + k4, 1/tau\nA + glu <-> C : k6, k5\nC <-> D : 0, k1",
        **{"open": "C", "k1": 2.0, "k2": 1.0, "k3": 0.5, "k4": 0.25, "tau": 4.0, "k5": 3.0, "k6": 1.5},
    )
    np.testing.assert_allclose(ratios(kernel, T=0.5), [2 * 0.75 * 3 / (1 * 0.25 * 1.5)], rtol=1e-12)


def test_published_schemes(x64):
    """Kampa's 1.48 at any voltage and magnesium, Jonas's 0.6 % and 0.1 %, glycine's 8 %."""
    kampa = schemes.kampa2004
    for V, Mg in ((-60.0, 1.0), (40.0, 1.0), (0.0, 0.2)):
        found = ratios(kampa, kampa.Params(V=V, Mg=Mg))
        assert len(found) == 4
        assert abs(np.log(max(found)) - 0.39) < 0.005
    found = ratios(schemes.jonas1993)
    assert (len(found), round(100 * (max(found) - 1), 1)) == (2, 0.6)
    assert round(100 * (max(ratios(schemes.jonas1993_independent)) - 1), 1) == 0.1
    # Two cycles that share a side, both the same way round: 8 % around both of them. Each binds as often as it unbinds,
    # so that the concentration does not matter.
    one, other = ratios(schemes.glyr_flip)
    np.testing.assert_allclose([one, other, one * other], [1.044, 1.034, 1.080], atol=6e-4)
    for T in (0.01, 1.0, 30.0):
        np.testing.assert_allclose(ratios(schemes.glyr_flip, T=T), [one, other], rtol=1e-12)
    np.testing.assert_allclose(ratios(schemes.nachr_ch82), [1], rtol=1e-6)
    for name in ("ampa5", "nmda5", "gabaa5", "raman1992", "lester_jahr1992"):
        assert getattr(schemes, name).reversibility() == ()
