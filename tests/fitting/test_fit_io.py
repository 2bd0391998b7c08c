"""Results that are kept, and what else may go into a fit: errors of samples, ties, times of each recording's own."""

import collections
import copy
import functools
import json
import pickle
import sys
import weakref
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize

import synkin
from synkin import alpha, ampa, dual_expon, expon
from synkin.fitting import Fit, fit
from synkin.fitting.serialization.identity import difference, identity, versions
from tests.fitting.test_fit import alpha_function, first_order, noisy
from tests.helpers.precision import enable_x64

TIMES = np.arange(300) / 10  # ms
SPIKE = 3.03  # ms
TRACE = noisy(-30 * alpha_function(TIMES, 2.0, SPIKE) + 1.0, 0.02, seed=0)
SCHEME = synkin.scheme(
    "C + glu <-> O : alpha, beta\nO <-> D : d, r",
    open="O", name="kept_scheme", alpha=2.0, beta=0.4, d=0.1, r=0.02, T=1.0, T_dur=0.5,
)  # fmt: skip


class Params(NamedTuple):
    tau: float = 5.0


class State(NamedTuple):
    g: float


mine = synkin.linear(lambda p, y: {"g": -y.g / p.tau}, Params, State, input="g", name="mine")


def fitted(trace=TRACE, kernel=alpha, **options):
    arguments = {"free": "tau", "scale": True, "offset": True, "starts": 2, "progress": False} | options
    return fit(kernel, kernel.Params(), [SPIKE], TIMES, trace, **arguments)


# Files


def same(again, found):
    assert type(again) is Fit
    assert again.kernel is found.kernel
    assert repr(again) == repr(found)
    for name, error in found.stderr.items():
        np.testing.assert_array_equal(again.stderr[name], error)
    for name in ("trace", "predicted", "residuals", "correlations", "point", "spike_times"):
        np.testing.assert_array_equal(getattr(again, name), getattr(found, name))


def test_what_is_saved_is_what_is_loaded(tmp_path):
    trace = TRACE.copy()
    trace[5:9] = np.nan
    # Nothing is known of a shift and the scale of an exponential: there are infinite errors.
    found = fitted(trace, expon, onset=True)
    assert found.stderr["onset"] == np.inf
    found.save(tmp_path / "fit.json")
    again = Fit.load(tmp_path / "fit.json")
    same(again, found)
    assert synkin.fit.load is not None
    same(synkin.fit.load(str(tmp_path / "fit.json")), found)
    np.testing.assert_array_equal(again.profile("tau").values, found.profile("tau").values)
    # JSON as it is defined, without its usual extensions.
    json.loads((tmp_path / "fit.json").read_text(), parse_constant=lambda name: pytest.fail(name))


def test_several_recordings_ties_and_protocols_travel(tmp_path):
    traces = np.stack([TRACE, TRACE[::-1]])
    found = fitted(
        traces, dual_expon, free="tau_decay", tie={"tau_rise": "tau_decay"}, scale="shared", sigma=[1.0, 2.0]
    )
    found.save(tmp_path / "a.json")
    same(Fit.load(tmp_path / "a.json"), found)
    jumps = synkin.Jumps([3.0, 8.0], [1.0])
    trace = first_order(TIMES, 0.98, 0.4, 5.0, 3.0)
    found = fit(ampa, ampa.Params(), jumps, TIMES, trace, free="beta", scale=True, starts=1, progress=False)
    found.save(tmp_path / "b.json")
    same(Fit.load(tmp_path / "b.json"), found)
    same(pickle.loads(pickle.dumps(found)), found)
    same(copy.deepcopy(found), found)


def test_a_scheme_is_made_of_its_text(tmp_path, monkeypatch):
    trace = 20 * first_order(TIMES, 2.0, 0.4, 0.5, SPIKE) + 0.1 * np.random.default_rng(0).normal(size=TIMES.size)
    found = fitted(trace, SCHEME, free="beta")
    found.save(tmp_path / "fit.json")
    same(Fit.load(tmp_path / "fit.json"), found)
    # In another process nobody has made it.
    monkeypatch.setattr(sys.modules["synkin.declaring.scheme"], "_made", weakref.WeakValueDictionary())
    again = Fit.load(tmp_path / "fit.json")
    assert again.kernel is not SCHEME
    assert again.kernel.name == "kept_scheme"
    np.testing.assert_allclose(again.predict(TIMES), found.predicted, atol=1e-9)


def test_a_kernel_of_ones_own_is_given(tmp_path):
    path = tmp_path / "fit.json"
    found = fitted(TRACE, mine)
    found.save(path)
    with pytest.raises(ValueError, match=r"^Argument `kernel` must be given to read .*, as mine is none of the"):
        Fit.load(path)
    with pytest.raises(ValueError, match=r"^Argument `kernel` must be mine with the parameters tau, as in .*, but is"):
        Fit.load(path, alpha)
    same(Fit.load(path, mine), found)


# A kernel is known by its equations


def bent(slope):
    own = jax.custom_jvp(lambda x: 1.0 * x)
    own.defjvp(lambda x, dx: (own(*x), slope * dx[0]))
    return own


def decay(factor=1.0, name="mine", conductance=None, rate=lambda x: 1.0 * x, **options):
    """One that is `mine`, or nearly."""
    params = collections.namedtuple("Params", "tau", defaults=[5.0])
    state = collections.namedtuple("State", options.pop("State", "g"))
    more = state._fields[1:]
    return synkin.linear(
        lambda p, y: {"g": -factor * rate(1 / p.tau) * y.g} | {field: -getattr(y, field) for field in more},
        params, state, input="g", name=name, conductance=conductance, **options,
    )  # fmt: skip


# Each with another that has the same name, parameters and state, or nearly.
OTHERS = {
    "a factor": (decay(), decay(1.001)),
    "a threshold far off": (decay(), decay(rate=lambda x: jnp.where(x > 1e9, 2.0, 1.0) * x)),
    "the derivative alone": (decay(rate=bent(1.0)), decay(rate=bent(2.0))),
    "an inner jit": (decay(rate=jax.jit(lambda x: 1.0 * x)), decay(rate=jax.jit(lambda x: 1.001 * x))),
    "an array closed over": (decay(np.array(1.0)), decay(np.array(1.5))),
    "the conductance": (decay(), decay(conductance=lambda p, y: 2.0 * y.g)),
    "a variable more": (decay(), decay(State="g h")),
    "a unit": (decay(units={"tau": "ms"}), decay(units={"tau": "s"})),
    "a sum": (decay() + expon, decay(1.001) + expon),
    "a state more": (
        SCHEME,
        synkin.scheme("C + glu <-> O : alpha, beta\nO <-> D : d, r\nD <-> E : d, r", open="O", name="kept_scheme",
                      alpha=2.0, beta=0.4, d=0.1, r=0.02, T_dur=0.5),
    ),
    "where it rests": (
        synkin.scheme("C + glu <-> O : a, b\nO <-> D : d, r", open="O", name="s", a=2.0, b=0.4, d=0.1, r=0.02),
        synkin.scheme("C + glu <-> O : a, b\nO <-> D : d, r", open="O", name="s", a=2.0, b=0.4, d=0.1, r=0.02,
                      rest="steady", ligand="glu"),
    ),
    "a rate that is a function": tuple(
        synkin.scheme("C + glu <-> O : a, b", open="O", name="s", a=2.0, b=lambda p, f=f: f * p.k * 1.0, k=0.4)
        for f in (1.0, 1.1)
    ),
}  # fmt: skip


@pytest.mark.parametrize("which", OTHERS)
def test_a_kernel_with_other_equations_is_another(which):
    kernel, other = OTHERS[which]
    for params in (kernel.Params(), kernel.Params(*(1.3 * np.array(kernel.Params(), float)))):
        said = json.loads(json.dumps(identity(kernel, params)))
        assert difference(said, kernel, versions()) is None
        assert difference(said, other, versions())


@pytest.mark.parametrize("kernel", [*synkin.KERNELS.values(), SCHEME], ids=lambda kernel: kernel.name)
def test_between_versions_the_numbers_decide(kernel):
    said = json.loads(json.dumps(identity(kernel, kernel.Params())))
    again = json.loads(json.dumps(identity(kernel, kernel.Params())))
    assert again == said
    said["does"] = {"how": "operations", "hash": "as another version traces them"}
    assert difference(said, kernel, versions())
    by = versions() | {"jax": "0.0.0"}
    assert difference(said, kernel, by) is None
    said["values"][3][0] += 1e-6 * (1 + abs(said["values"][3][0]))
    assert difference(said, kernel, by) == "has other equations"


def test_a_kernel_that_has_the_name_of_the_librarys(tmp_path):
    path = tmp_path / "fit.json"
    own = decay(2.0, name="expon")
    found = fitted(TRACE, own)
    found.save(path)
    with pytest.raises(
        ValueError,
        match=r"^Argument `kernel` must be given to read .*, as the expon of the library has other equations",
    ):
        Fit.load(path)
    with pytest.raises(ValueError, match=r"^Argument `kernel` must be the expon of .*the given one has other equ"):
        Fit.load(path, expon)
    same(Fit.load(path, own), found)


# What is no file of a fit

EDITS = {
    "a value": lambda read: read["fit"].update(scale=1.0),
    "one without": lambda read: read["fit"].pop("scale"),
    "no checksum": lambda read: read.pop("checksum"),
    "a sample": lambda read: read["fit"]["predicted"]["array"].pop(),
    "NaN": lambda read: read["fit"]["params"].update(tau="nan"),
    "the kernel": lambda read: read["kernel"].update(name="expon"),
    "a type": lambda read: read.update(fit=3),
}


@functools.cache
def one_fit():
    return fitted(TRACE)


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("form", [2, 1])
def test_files_that_were_changed(tmp_path, edit, form):
    path, found = tmp_path / "fit.json", one_fit()
    found.save(path)
    read = json.loads(path.read_text())
    path.write_text(json.dumps(read, indent=2))  # the same content
    same(Fit.load(path), found)
    if form == 1:  # as they were written before
        del read["checksum"], read["by"]
        read["format"], read["kernel"] = "synkin fit 1", {name: read["kernel"][name] for name in ("name", "parameters")}
        path.write_text(json.dumps(read))
        same(Fit.load(path), found)
        if edit == "no checksum":
            return
    EDITS[edit](read)
    path.write_text(json.dumps(read))
    with pytest.raises(ValueError, match=r"^(File|Argument `kernel`) .* must .*\.$"):
        Fit.load(path)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"format": "synkin fit 1"}', '{"format": "synkin fit 0"}', "\x00", "[" * 200_000, "9" * 9999],
)
def test_other_files_are_refused(tmp_path, text):
    path = tmp_path / "fit.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"^File .* must be one that `Fit.save` wrote, but is not, or is incomplete"):
        Fit.load(path)
    with pytest.raises(FileNotFoundError):
        Fit.load(tmp_path / "none.json")


# The curve elsewhere, and the table of a notebook


def test_predict_is_the_curve_at_any_times():
    found = fitted(onset=True)
    np.testing.assert_allclose(found.predict(TIMES), found.predicted, rtol=1e-12, atol=1e-12)
    times = np.array([2.0, 31.7, 4.4])
    curve = found.scale * alpha_function(times, found.params.tau, SPIKE + found.onset) + found.offset
    np.testing.assert_allclose(found.predict(times), curve, rtol=1e-9)
    two = fitted(np.stack([TRACE, -TRACE]))
    assert two.predict(times).shape == (2, 3)
    np.testing.assert_allclose(two.predict(TIMES), two.predicted, rtol=1e-12, atol=1e-12)
    with pytest.raises(ValueError, match=r"^Argument `times` must have shape \(M,\), but has shape \(\)"):
        found.predict(3.0)


def test_html_is_a_small_table():
    text = fitted(unit="<pA>")._repr_html_()
    assert "<script" not in text
    assert "<pA>" not in text
    assert "&lt;pA&gt;" in text
    assert text.count("<tr>") == 4
    assert len(text) < 2000


# Errors of samples


def test_sigma_is_scipys():
    """Errors that grow with the response, by their proportions alone."""
    sigma = 0.2 + 0.1 * np.abs(TRACE - 1)
    trace = -30 * alpha_function(TIMES, 2.0, SPIKE) + 1 + sigma * np.random.default_rng(1).normal(size=TIMES.size)
    best, covariance = optimize.curve_fit(
        lambda t, tau, scale, offset: scale * alpha_function(t, tau, SPIKE) + offset,
        TIMES, trace, (2.0, -30.0, 1.0), sigma=sigma,
    )  # fmt: skip
    for factor in (1.0, 7.0):
        found = fitted(trace, sigma=factor * sigma)
        np.testing.assert_allclose([found.params.tau, found.scale, found.offset], best, rtol=1e-4)
        errors = np.array([found.stderr[name] for name in ("tau", "scale", "offset")]) / np.sqrt(found.alike)
        np.testing.assert_allclose(errors, np.sqrt(np.diag(covariance)), rtol=1e-3)
    plain = fitted(trace)
    assert abs(plain.params.tau - best[0]) > 1e-3
    np.testing.assert_allclose(fitted(trace, sigma=np.full(300, 3.0)).params, plain.params, rtol=1e-9)


def test_sigma_of_each_sweep():
    """One of each recording is one of each of its samples; a scan for the onset allows for it."""
    rng = np.random.default_rng(2)
    sigma = np.array([0.1, 3.0, 0.5])
    traces = -30 * alpha_function(TIMES, 2.0, SPIKE + 1.7) + sigma[:, None] * rng.normal(size=(3, 300))
    traces[1, :50] = np.nan
    found = fitted(traces, sigma=sigma, onset="shared")
    each = fitted(traces, sigma=np.broadcast_to(sigma[:, None], traces.shape), onset="shared")
    assert found.params == each.params
    assert found.onset == pytest.approx(1.7, abs=0.02)
    assert found.stderr["tau"] < fitted(traces, onset="shared").stderr["tau"] / 2


@pytest.mark.parametrize(
    ("sigma", "message"),
    [
        (np.ones(7), r"must have shape \(300,\), but has shape \(7,\)"),
        (np.zeros(300), r"must be positive and finite, but has 0\.0"),
        (np.full(300, np.nan), "must be positive and finite, but has nan"),
        ("large", "must be"),
        (1.0, r"must have shape \(300,\), but has shape \(\)"),
    ],
)
def test_sigma_that_makes_no_sense(sigma, message):
    with pytest.raises((TypeError, ValueError), match=f"^Argument `sigma` {message}"):
        fitted(sigma=sigma)


# Ties


def test_tied_parameters_move_together():
    """dual_expon with equal time constants is the alpha function."""
    found = fitted(kernel=dual_expon, free="tau_decay", tie={"tau_rise": "tau_decay"})
    assert found.params.tau_rise == found.params.tau_decay
    other = fitted()
    assert found.params.tau_decay == pytest.approx(other.params.tau, rel=1e-5)
    assert found.stderr["tau_decay"] == pytest.approx(other.stderr["tau"], rel=1e-3)
    assert found.free == ("tau_decay", "scale", "offset")
    assert "= tau_decay" in found.summary()


@pytest.mark.parametrize(
    ("tie", "message"),
    [
        ({"tau_decay": "tau_rise"}, r"must tie parameters of dual_expon that are not free \(tau_rise, amplitude\)"),
        ({"tau": "tau_decay"}, r"must tie parameters of dual_expon that are not free \(tau_rise, amplitude\)"),
        ({"tau_rise": "amplitude"}, r"must tie to what is free \(tau_decay\), but has 'amplitude'"),
        ("tau_rise", "must be a dict from a parameter to a free one, but is 'tau_rise'"),
    ],
)
def test_ties_that_make_no_sense(tie, message):
    with pytest.raises((TypeError, ValueError), match=f"^Argument `tie` {message}"):
        fitted(kernel=dual_expon, free="tau_decay", tie=tie)


def test_a_signed_parameter_is_tied_to_none():
    with pytest.raises(
        ValueError, match=r"^Parameters `amplitude` and `tau_decay` must both be positive, or both of any sign, to"
    ):
        fitted(kernel=dual_expon, free="tau_decay", tie={"amplitude": "tau_decay"})


# Times of each recording's own


def own_times(rng):
    times = [np.arange(200) / 10, 1.0 + np.sort(rng.uniform(0, 25, 130)), np.arange(300) / 11]
    traces = [
        s * alpha_function(t, 2.0, SPIKE + 0.4) + 0.05 * rng.normal(size=t.size)
        for s, t in zip((-3.0, 5.0, 2.0), times, strict=True)
    ]
    return times, traces


@pytest.mark.parametrize("kernel", [alpha, ampa], ids=lambda kernel: kernel.name)
def test_recordings_of_different_lengths(kernel):
    times, traces = own_times(np.random.default_rng(3))
    free = {"alpha": ("tau",), "ampa": ("beta", "T_dur")}[kernel.name]
    found = fit(
        kernel, kernel.Params(), [SPIKE], times, traces, free=free, scale=True, onset="shared", starts=4,
        progress=False,
    )  # fmt: skip
    assert found.times.shape == found.trace.shape == (3, 300)
    assert np.isnan(found.trace[1, 130:]).all()
    assert "570 samples" not in repr(found)
    assert "270 of 900 samples are NaN and were left out" in found.message
    if kernel is ampa:
        assert found.r_squared > 0.9
        return

    def left(p):
        parts = [
            y - s * alpha_function(t, np.exp(p[0]), SPIKE + p[1]) for s, t, y in zip(p[2:], times, traces, strict=True)
        ]
        return np.concatenate(parts)

    scipys = optimize.least_squares(left, [np.log(2.0), 0.4, -3.0, 5.0, 2.0], xtol=1e-12, ftol=1e-12)
    assert found.params.tau == pytest.approx(np.exp(scipys.x[0]), rel=1e-4)
    assert found.onset == pytest.approx(scipys.x[1], abs=1e-4)
    np.testing.assert_allclose(found.scale, scipys.x[2:], rtol=1e-4)
    assert found.profile("tau").interval95[0] < found.params.tau


def test_the_same_times_are_one():
    found = fitted(np.stack([TRACE, -TRACE]))
    again = fit(
        alpha, alpha.Params(), [SPIKE], np.stack([TIMES, TIMES]), np.stack([TRACE, -TRACE]), free="tau", scale=True,
        offset=True, starts=2, progress=False,
    )  # fmt: skip
    assert again.times.shape == (300,)
    assert again.params == found.params


def test_a_jump_among_times_of_its_own():
    """The scan for the onset looks between each recording's own samples."""
    rng = np.random.default_rng(4)
    times = np.stack([np.arange(300) / 10, 0.05 + np.arange(300) / 10])
    shifts = np.array([-1.3, 2.2])
    clean = np.where(times >= SPIKE + shifts[:, None], np.exp(-(times - SPIKE - shifts[:, None]) / 4), 0.0)
    found = fit(
        expon, expon.Params(), [SPIKE], times, clean + 0.01 * rng.normal(size=clean.shape), free="tau", scale=True,
        onset=True, starts=3, progress=False,
    )  # fmt: skip
    np.testing.assert_allclose(found.onset, shifts, atol=0.051)


@pytest.mark.parametrize(
    ("times", "traces", "message"),
    [
        ([[0, 1, 2.0], [0, 1.0]], [[1, 2, 3.0], [1, 2, 3.0]], "must have rows of the same lengths, but these are 3, 2"),
        ([[0, 1, 2.0], [0, 2.0, 1.0]], [[1, 2, 3.0], [1, 2, 3.0]], "must be increasing, but element 2 "),
        ([[0, 1, 2.0], [0, 1.0, 3.0]], [1, 2, 3.0], r"must have shape \(2, 3\), as `times` has, but has \(3,\)"),
    ],
)
def test_times_that_make_no_sense(times, traces, message):
    with pytest.raises(ValueError, match=f"^Arguments? .* {message}"):
        fit(expon, expon.Params(), [0.5], times, traces, free="tau")


def test_picture_of_times_of_their_own():
    pytest.importorskip("matplotlib")
    times, traces = own_times(np.random.default_rng(5))
    found = fit(
        alpha, alpha.Params(), [SPIKE], times, traces, free="tau", scale=True, onset=True, starts=2, progress=False
    )
    above, below = synkin.plot.fit(found, ax=synkin.plot.figure().subplots(2, 1))
    assert len(above.lines) == 6
    assert len(below.lines) == 4
    drawn = np.asarray(above.lines[1].get_ydata())
    np.testing.assert_array_equal(drawn[np.isfinite(drawn)], traces[1])


# Beside other fitters


def test_lmfit_ends_at_the_same_place():
    lmfit = pytest.importorskip("lmfit")
    model = lmfit.Model(
        lambda t, binding, beta, T_dur, scale, offset: scale * first_order(t, binding, beta, T_dur, SPIKE) + offset
    )
    trace = noisy(-30.0 * first_order(TIMES, 1.5, 0.31, 0.77, SPIKE) + 2.0, 0.01, seed=6)
    start = {"binding": 1.4, "beta": 0.3, "T_dur": 0.8, "scale": -31.0, "offset": 1.9}
    theirs = model.fit(trace, t=TIMES, method="leastsq", **start)
    with enable_x64():
        ours = fitted(trace, ampa, free=("alpha", "beta", "T_dur"), starts=12)
    values = [ours.params.alpha * ours.params.T, ours.params.beta, ours.params.T_dur, ours.scale, ours.offset]
    errors = [ours.stderr["alpha"] * ours.params.T, *(ours.stderr[n] for n in ("beta", "T_dur", "scale", "offset"))]
    assert (ours.residuals**2).sum() <= theirs.chisqr * (1 + 1e-6)
    for value, error, parameter in zip(values, errors, theirs.params.values(), strict=True):
        assert abs(value - parameter.value) < 0.05 * error, parameter.name
        assert error / np.sqrt(ours.alike) == pytest.approx(parameter.stderr, rel=0.05), parameter.name
