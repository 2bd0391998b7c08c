"""What a fit says of itself, in words, digits and pictures, and the files that it travels in."""

import collections
import copy
import dataclasses
import json
import pickle
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import synkin
from synkin import alpha, ampa, dual_expon, expon, plot
from synkin.fitting import Fit, formatting
from synkin.fitting.curves import KernelCurve
from synkin.fitting.serialization.identity import difference, identity, versions
from tests.helpers.sentences import cases
from tests.helpers.traces import SPIKE, TIMES, alpha_function, first_order, fitted, jump, noise, noisy

RESPONSE = np.e * alpha_function(TIMES, 3.0)  # of peak 1


def smooth(length, seed=0):
    """Normal noise of 1, each sample the mean of neighbours: as a filter leaves it."""
    return np.convolve(noise(299 + length, seed), np.full(length, length**-0.5), "valid")


def told(text, **more):
    """The fit of a trace with options, both as text."""
    trace, *options = text.split("; ")
    return fitted(eval(trace), **eval(f"dict({', '.join(options)})") | more)


@pytest.mark.parametrize(("trace", "freed"), cases(__file__, "freed.txt"))
def test_what_is_held_is_freed_before_all_else(trace, freed):
    """The R^2 that is said is that of the fit with these free."""
    found = told(trace)
    said = re.search(r"With (.*) R\^2 is (\d\.\d{3}) instead of (-?\d+\.\d{3}): free (.*) first\.", found.message)
    assert bool(said) == (freed != "nothing")
    if said:
        again = told(trace, **dict.fromkeys(freed.split(), True))
        assert said[1] == formatting.listed([f"`{name}=True`" for name in freed.split()])
        assert (float(said[3]), float(said[2])) == pytest.approx((found.r_squared, again.r_squared), abs=6e-4)
        assert again.r_squared > 0.99


NOISE_LEFT = r"The curve explains 99\.\d+ % of the recording's variance, and noise the rest\."


@pytest.mark.parametrize(("trace", "said"), cases(__file__, "verdicts.txt"))
def test_verdict(trace, said):
    found = told(trace)
    assert re.match(said, found.verdict), found.verdict
    assert found.message.startswith(found.verdict + " 2 of 2 starts of the search ended at this sum of squares")


def test_verdict_of_gaps_outliers_uneven_times_and_filtered_noise():
    # Under soft_l1 outliers are apart; samples that are missing are no noise; times may be uneven.
    trace = RESPONSE + 0.01 * smooth(1)
    trace[40::25] += 3.0
    found = fitted(trace, loss="soft_l1")
    assert found.r_squared < 0.5
    trace[40::25] = np.nan
    times = np.sort(np.random.default_rng(2).uniform(0, 30, 300))
    uneven = fitted(np.e * alpha_function(times, 3.0) + 0.01 * smooth(1), times=times)
    for each in (found, fitted(trace), uneven):
        assert re.match(NOISE_LEFT, each.verdict)
    # Whatever is said of a good fit with filtered noise, it is not that the kernel is wrong.
    for level in (0.02, 0.1, 0.3):
        for length in (1, 3, 8):
            said = [fitted(RESPONSE + level * smooth(length, seed), starts=1).verdict for seed in range(5)]
            assert not any("does not describe" in verdict for verdict in said)
            assert sum("noise the rest" in verdict for verdict in said) >= 4


@pytest.mark.parametrize(("call", "text"), cases(__file__, "digits.txt"))
def test_digits(call, text):
    assert eval(call) == text


def test_summary_html_and_predict():
    trace = noisy(-30 * first_order(TIMES, onset=SPIKE + 0.21), 0.005)
    found = fitted(trace, ampa, onset=True, unit="<pA>")
    lines = found.summary().splitlines()
    assert lines[0] == found.verdict
    assert lines[1].split() == ["value", "std.", "error", "unit"]
    rows = {line.split()[0]: line.split()[1:] for line in lines[2:]}
    assert rows["T"] == ["0.5", "held", "mM"]
    assert tuple(rows["beta"][:2]) == formatting.rounded(found.params.beta, found.stderr["beta"])
    assert [rows[name][2] for name in ("alpha", "scale", "offset", "onset")] == ["1/ms/mM", "<pA>/mS", "<pA>", "ms"]
    assert f"residuals {found.noise:.3g} <pA>" in found.summary()
    assert repr(found).startswith("Fit of ampa to 300 samples\n")
    text = found._repr_html_()
    assert [text.count(part) for part in ("<script", "<pA>", "<tr>")] == [0, 0, 8]
    assert "&lt;pA&gt;" in text
    np.testing.assert_allclose(found.predict(TIMES), found.predicted, rtol=1e-12, atol=1e-12)
    curve = found.scale * first_order(TIMES[::-1], *found.params[:2], found.params.T_dur, SPIKE + found.onset)
    np.testing.assert_allclose(found.predict(TIMES[::-1]), curve + found.offset, rtol=1e-9)
    three = fitted(np.stack([RESPONSE, -RESPONSE, RESPONSE]))
    np.testing.assert_allclose(three.predict(TIMES), three.predicted, rtol=1e-12, atol=1e-12)


def legend(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


@pytest.mark.parametrize("mean", ["", ", mean of 3"])
def test_picture_of_a_fit(mean):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    trace = noisy(RESPONSE, 0.02)
    trace[7] = np.nan
    found = fitted(np.stack([trace, 2 * RESPONSE, 3 * RESPONSE]) if mean else trace, unit="pA")
    above, below = plot.fit(found)
    assert above.get_position().height > below.get_position().height
    assert above.get_shared_x_axes().joined(above, below)
    assert legend(above) == ["recording" + mean, "fit" + mean, "spikes"]
    drawn = [line.get_ydata() for line in above.lines if line.get_label()[0] != "_"]
    np.testing.assert_allclose(drawn[1], np.atleast_2d(found.predicted).mean(axis=0))
    there = np.delete(np.arange(300), 7)
    np.testing.assert_allclose(drawn[0][there], np.atleast_2d(found.trace).mean(axis=0)[there])
    np.testing.assert_array_equal(below.lines[0].get_ydata(), np.atleast_2d(found.residuals)[0])
    np.testing.assert_allclose([segment[0, 0] for segment in above.collections[0].get_segments()], [SPIKE])
    labels = above.get_ylabel(), below.get_ylabel(), below.get_xlabel()
    assert labels == ("recording (pA)", "residual (pA)", "time (ms)")
    pyplot.close(above.figure)
    with pytest.raises(ValueError, match="Argument `ax` must be two Axes"):
        plot.fit(found, ax=above)


def test_pictures_of_other_fits():
    """Recordings at their own times; profile, bootstrap, comparison."""
    pytest.importorskip("matplotlib")
    traces = np.stack([noisy(s * RESPONSE, 0.02, i) for i, s in enumerate((1, 2, 3, 4, 5))])
    own = fitted(traces[:3], times=np.stack([TIMES, TIMES + 0.01, TIMES + 0.02]))
    above, below = plot.fit(own, ax=plot.figure().subplots(2, 1))
    assert (len(above.lines), len(below.lines)) == (6, 4)
    np.testing.assert_array_equal(above.lines[1].get_ydata()[:300], own.trace[1])
    one, two = plot.figure().subplots(1, 2)
    profile, drawn = fitted(traces[0]).profile("tau"), fitted(traces).bootstrap(8)
    assert plot.profile(profile, ax=one) is one
    drawn_values = [line.get_xdata() for line in one.lines if line.get_label() == "profile"]
    np.testing.assert_array_equal(drawn_values, [profile.values])
    assert one.get_xlabel() == "tau (ms)"
    (axes,) = plot.bootstrap(drawn, ax=two)
    assert sum(patch.get_height() for patch in axes.patches) == 8
    with pytest.raises(ValueError, match=r"^Argument `ax` must be 1 Axes, one for each quantity, but has shape"):
        plot.bootstrap(drawn, ax=[one, two])
    compared = synkin.compare([fitted(traces[0], kernel) for kernel in (alpha, expon)])
    left, right = plot.compare(compared, ax=plot.figure().subplots(1, 2))
    np.testing.assert_array_equal(left.lines[1].get_ydata(), compared.best.predicted)
    assert [text.get_text() for text in right.get_yticklabels()] == list(compared.names)
    np.testing.assert_allclose([bar.get_width() for bar in right.patches], np.minimum(compared.aicc, 100))
    with pytest.raises(ValueError, match=r"^Argument `ax` must be two Axes, for curves and bars, but is"):
        plot.compare(compared, ax=left)


class Kernel:
    """One that is an object, and pickles by the name it has here."""

    name, UNITS = "object", expon.UNITS

    def __reduce__(self):
        return "KERNEL"


KERNEL = Kernel()


def same(again, found):
    assert type(again) is Fit
    assert again.kernel is found.kernel
    assert repr(again) == repr(found)
    for name, error in found.stderr.items():
        np.testing.assert_array_equal(again.stderr[name], error)
    for name in ("trace", "predicted", "residuals", "correlations", "point", "spike_times"):
        np.testing.assert_array_equal(getattr(again, name), getattr(found, name))


def test_what_travels_comes_back(tmp_path):
    """Infinite errors, missing samples, ties, errors of samples."""
    trace = noisy(RESPONSE, 0.02)
    trace[5:9] = np.nan
    first = fitted(trace, expon, onset=True)
    assert first.stderr["onset"] == np.inf
    tied = fitted(trace, dual_expon, free="tau_decay", tie={"tau_rise": "tau_decay"}, starts=1)
    several, plain = fitted(np.stack([trace] * 3), scale="shared", sigma=[1.0, 2.0, 3.0], starts=1), fitted(trace)
    for i, found in enumerate((first, tied, several, plain)):
        path = tmp_path / f"{i}.json"
        found.save(path)
        # JSON as it is defined, without its usual extensions.
        json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(name))
        copies = pickle.loads(pickle.dumps(found)), copy.copy(found), copy.deepcopy(found)
        for again in (Fit.load(path), synkin.fit.load(str(path)), *copies):
            same(again, found)
    np.testing.assert_array_equal(Fit.load(path).profile("tau").values, plain.profile("tau").values)
    own = dataclasses.replace(first, kernel=KERNEL)
    assert pickle.loads(pickle.dumps(own)).kernel is copy.deepcopy(own).kernel is KERNEL
    assert repr(own).startswith("Fit of object to 300 samples")
    assert callable(synkin.fit)  # the function, which hides the subpackage
    assert synkin.fit.Fit is synkin.Fit is Fit
    with pytest.raises(FileNotFoundError):
        Fit.load(tmp_path / "none.json")


def bent(slope):
    own = jax.custom_jvp(lambda x: 1.0 * x)
    own.defjvp(lambda x, dx: (own(*x), slope * dx[0]))
    return own


def decay(name="mine", factor=1.0, rate=lambda x: 1.0 * x, state="g", **options):
    Params, State = collections.namedtuple("Params", "tau", defaults=[5.0]), collections.namedtuple("State", state)

    def derivatives(p, y):
        return {"g": -factor * rate(1 / p.tau) * y.g} | {name: -getattr(y, name) for name in State._fields[1:]}

    return synkin.linear(derivatives, Params, State, input="g", name=name, **options)


def kept(text="", **given):
    given = {"open": "O", "name": "kept_scheme", "alpha": 2.0, "beta": 0.4, "d": 0.1, "r": 0.02} | given
    return synkin.scheme("C + glu <-> O : alpha, beta\nO <-> D : d, r" + text, **given)


def test_a_kernel_of_ones_own_is_given(tmp_path):
    path, found = tmp_path / "fit.json", fitted(jump(TIMES), expon)
    for name, other, without, wrong in (
        ("mine", alpha, "as mine is none of the", "must be mine with the parameters tau, as in .*, but is"),
        ("expon", expon, "as the expon of the library has other equations", ".*the given one has other equ"),
    ):
        kernel = decay(name, 2.0)
        problem = dataclasses.replace(found.problem, curve=KernelCurve(kernel))
        own = dataclasses.replace(found, kernel=kernel, params=kernel.Params(*found.params), problem=problem)
        own.save(path)
        for given, said in (((), f"must be given to read .*, {without}"), ((other,), wrong)):
            with pytest.raises(ValueError, match=rf"^Argument `kernel` {said}"):
                Fit.load(path, *given)
        same(Fit.load(path, kernel), own)


# Each with another that has the same name, parameters and state, or nearly.
OTHERS = {
    "a factor": (decay(), decay(factor=1.001)),
    "a threshold far off": (decay(), decay(rate=lambda x: jnp.where(x > 1e9, 2.0, 1.0) * x)),
    "the derivative alone": (decay(rate=bent(1.0)), decay(rate=bent(2.0))),
    "an inner jit": (decay(rate=jax.jit(lambda x: 1.0 * x)), decay(rate=jax.jit(lambda x: 1.001 * x))),
    "an array closed over": (decay(factor=np.array(1.0)), decay(factor=np.array(1.5))),
    "the conductance": (decay(), decay(conductance=lambda p, y: 2.0 * y.g)),
    "a variable more": (decay(), decay(state="g h")),
    "a unit": (decay(units={"tau": "ms"}), decay(units={"tau": "s"})),
    "a sum": (decay() + expon, decay(factor=1.001) + expon),
    "a state more": (kept(), kept("\nD <-> E : d, r")),
    "where it rests": (kept(), kept(rest="steady", ligand="glu")),
    "a rate that is a function": (kept(beta=lambda p: p.d * 1.0), kept(beta=lambda p: p.d * 1.1)),
}


@pytest.mark.parametrize(("kernel", "other"), OTHERS.values(), ids=OTHERS)
def test_a_kernel_with_other_equations_is_another(kernel, other):
    for params in (kernel.Params(), kernel.Params(*(1.3 * np.array(kernel.Params(), float)))):
        said = json.loads(json.dumps(identity(kernel, params)))
        assert difference(said, kernel, versions()) is None
        assert difference(said, other, versions())


@pytest.mark.parametrize("kernel", [*synkin.KERNELS.values(), kept()], ids=lambda kernel: kernel.name)
def test_between_versions_the_numbers_decide(kernel):
    said, again = (json.loads(json.dumps(identity(kernel, kernel.Params()))) for _ in range(2))
    assert again == said
    said["does"] = {"how": "operations", "hash": "as another version traces them"}
    by = versions() | {"jax": "0.0.0"}
    assert difference(said, kernel, versions())
    assert difference(said, kernel, by) is None
    said["values"][3][0] += 1e-6 * (1 + abs(said["values"][3][0]))
    assert difference(said, kernel, by) == "has other equations"


EDITS = {
    "no checksum": lambda read: read.pop("checksum"),
    "a value": lambda read: read["fit"].update(scale=1.0),
    "one without": lambda read: read["fit"].pop("scale"),
    "a sample": lambda read: read["fit"]["predicted"]["array"].pop(),
    "NaN": lambda read: read["fit"]["params"].update(tau="nan"),
    "the kernel": lambda read: read["kernel"].update(name="expon"),
    "a type": lambda read: read.update(fit=3),
}


@pytest.mark.parametrize("form", [2, 1])
def test_files_that_were_changed(tmp_path, form):
    path, found = tmp_path / "fit.json", fitted(noisy(RESPONSE, 0.02))
    found.save(path)
    read = json.loads(path.read_text())
    if form == 1:  # as they were written before
        del read["checksum"], read["by"]
        read["format"], read["kernel"] = "synkin fit 1", {name: read["kernel"][name] for name in ("name", "parameters")}
        del read["fit"]["problem"]["varying"], read["fit"]["problem"]["weighted"]
    path.write_text(json.dumps(read, indent=2))  # the same content
    same(Fit.load(path), found)
    for name, edit in EDITS.items():
        if form == 1 and name == "no checksum":
            continue
        changed = copy.deepcopy(read)
        edit(changed)
        path.write_text(json.dumps(changed))
        with pytest.raises(ValueError, match=r"^(File|Argument `kernel`) .* must .*\.$"):
            Fit.load(path)


def test_other_files_are_refused(tmp_path):
    path, form = tmp_path / "fit.json", '{"format": "synkin fit %d"}'
    for text in ("", "[]", "{}", form % 1, form % 0, "\x00", "[" * 200_000, "9" * 9999):
        path.write_text(text)
        with pytest.raises(ValueError, match=r"^File .* must be one that `Fit.save` wrote, but is not, or is incomp"):
            Fit.load(path)
