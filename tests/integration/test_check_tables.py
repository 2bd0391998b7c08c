"""The figures of the check tables, read off synkin's own output: exact, finely sampled, float64.

They were computed from closed forms or with DOP853, apart from synkin. Each is held to the digits that are printed.
"""

from pathlib import Path

import numpy as np
import pytest

import synkin
from synkin.kernels.dual_expon import peak
from tests.helpers import samples
from tests.helpers.waveforms import assert_printed, waveform

pytestmark = pytest.mark.usefixtures("x64")

DT = 0.005  # ms

FIRST_ORDER = Path(__file__).with_name("first_order.csv").read_text().splitlines()[1:]


@pytest.mark.parametrize("row", FIRST_ORDER)
def test_first_order_receptors(row):
    source, alpha, beta, T, T_dur, top, rise, tau, width = row.split(",")
    params = [float(text) for text in (alpha, beta, T, T_dur)]
    kernel = synkin.gabaa if "GABA" in source else synkin.ampa
    if source.endswith("defaults"):
        kernel = synkin.KERNELS[source.split()[0]]
        assert kernel.Params() == tuple(params)
    got = waveform(one_spike(kernel, kernel.Params(*params)), DT, corner=True)
    printed = {"peak": top, "t_peak": f"{params[-1]:.3f}", "rise": rise, "tau": tau, "width": width}
    for name, text in printed.items():
        assert_printed(getattr(got, name), text)


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
    for found, printed in ((got.peak, "0.754487"), (got.t_peak, "6.7616"), (got.rise, "2.526"), (gs[-1], "0.303224")):
        assert_printed(found, printed)


def test_peaks_of_linear_kernels():
    """And what the difference of the two unit exponentials is multiplied with to peak at 1."""
    for rise, decay, t_peak, factor in ((0.5, 2.0, "0.924196", "2.116535"), (0.1, 10.0, "0.465169", "1.058198")):
        params = synkin.dual_expon.Params(tau_decay=np.asarray(decay), tau_rise=np.asarray(rise))
        got = waveform(one_spike(synkin.dual_expon, params, dt=0.0005), 0.0005)
        assert_printed(got.t_peak, t_peak)
        assert_printed(got.peak, "1.000000")
        assert_printed(1 / (peak(params) * (1 / rise - 1 / decay)), factor)
    got = waveform(one_spike(synkin.alpha, synkin.alpha.Params()), DT)
    assert [got.peak, got.t_peak] == [pytest.approx(np.exp(-1), rel=1e-7), pytest.approx(8.0, abs=1e-4)]


def test_mg_block():
    block = synkin.currents.mg_block
    for Mg, V, printed in (1, -65, "0.05967"), (1, 0, "0.78118"), (1, 40, "0.97708"), (1.2, -65, "0.05022"):
        assert_printed(block(float(V), Mg=float(Mg)), printed)
    V = np.linspace(-20, -15, 5001)
    assert_printed(np.interp(0.5, block(V), V), "-17.58")
