"""The figures of the check tables, read off synkin's own output: exact, finely sampled, float64.

They were computed from closed forms or with DOP853, apart from synkin. Each is held to the digits that are printed.
"""

import numpy as np
import pytest

import synkin
from synkin.kernels.dual_expon import peak
from tests.helpers import samples
from tests.helpers.waveforms import assert_printed, waveform

pytestmark = pytest.mark.usefixtures("x64")

DT = 0.005  # ms

# One spike: alpha, beta (/ms), T (mM), T_dur (ms); peak, 10-90 % rise, decay tau, full width at half maximum (ms).
FIRST_ORDER = {
    "AMPA 1998": (1.1, 0.19, 1, 1, "0.617986", "0.7605", "5.263", "4.299"),
    "NMDA 1998": (0.072, 0.0066, 1, 1, "0.069243", "0.7999", "151.5", "105.5"),
    "GABAa 1998": (5, 0.18, 1, 1, "0.959819", "0.4148", "5.556", "4.718"),
    "GABAb 1998": (0.016, 0.0047, 1, 84, "0.637116", "61.26", "212.8", "205.8"),
    "glutamate 1994": (2, 1, 1, 1, "0.633475", "0.6108", "1.0", "1.478"),
    "GABA 1994": (0.5, 0.1, 1, 1, "0.375990", "0.7914", "10", "7.505"),
    "ampa defaults": (0.98, 0.18, 0.5, 0.5, "0.208186", "0.3987", "5.556", "4.122"),
    "gabaa defaults": (0.53, 0.18, 1, 1, "0.379477", "0.7879", "5.556", "4.438"),
}


@pytest.mark.parametrize("source", FIRST_ORDER)
def test_first_order_receptors(source):
    *params, top, rise, tau, width = FIRST_ORDER[source]
    kernel = synkin.gabaa if "GABA" in source else synkin.ampa
    if source.endswith("defaults"):
        kernel = synkin.KERNELS[source.split()[0]]
        assert kernel.Params() == tuple(params)
    got = waveform(one_spike(kernel, kernel.Params(*map(float, params))), DT, corner=True)
    assert_printed(got.peak, top)
    assert_printed(got.t_peak, f"{params[3]:.3f}")
    assert_printed(got.rise, rise)
    assert_printed(got.tau, tau)
    assert_printed(got.width, width)


def one_spike(kernel, params, dt=DT, steps=80_000):
    """g every ``dt`` ms after a spike at 0."""
    # A linear kernel's input acts at the end of its step.
    spikes = np.arange(steps + kernel.input.acts_at_end) == 0
    _, gs = samples.simulate(kernel, params, spikes, dt, method="exact")
    return gs[int(kernel.input.takes_weights) :]


@pytest.mark.wide
def test_bionmda_defaults():
    gs = one_spike(synkin.bionmda, synkin.bionmda.Params(), steps=20_000)
    got = waveform(gs, DT)
    assert_printed(got.peak, "0.754487")
    assert_printed(got.t_peak, "6.7616")
    assert_printed(got.rise, "2.526")
    assert_printed(gs[-1], "0.303224")  # at 100 ms


@pytest.mark.parametrize(
    ("rise", "decay", "t_peak", "factor"), [(0.5, 2.0, "0.924196", "2.116535"), (0.1, 10.0, "0.465169", "1.058198")]
)
def test_dual_expon_peaks(rise, decay, t_peak, factor):
    params = synkin.dual_expon.Params(tau_decay=np.asarray(decay), tau_rise=np.asarray(rise))
    got = waveform(one_spike(synkin.dual_expon, params, dt=0.0005), 0.0005)
    assert_printed(got.t_peak, t_peak)
    assert_printed(got.peak, "1.000000")
    # What the difference of the two unit exponentials is multiplied with to peak at 1.
    assert_printed(1 / (peak(params) * (1 / rise - 1 / decay)), factor)


def test_alpha_peaks_at_its_time_constant():
    got = waveform(one_spike(synkin.alpha, synkin.alpha.Params()), DT)
    np.testing.assert_allclose(got.peak, np.exp(-1), rtol=1e-7)
    np.testing.assert_allclose(got.t_peak, 8.0, atol=1e-4)


@pytest.mark.parametrize(
    ("Mg", "V", "printed"),
    [(1.0, -65.0, "0.05967"), (1.0, 0.0, "0.78118"), (1.0, 40.0, "0.97708"), (1.2, -65.0, "0.05022")],
)
def test_mg_block(Mg, V, printed):
    assert_printed(synkin.currents.mg_block(V, Mg=Mg), printed)


def test_mg_block_is_half_gone_at():
    V = np.linspace(-20, -15, 5001)
    assert_printed(np.interp(0.5, synkin.currents.mg_block(V), V), "-17.58")
