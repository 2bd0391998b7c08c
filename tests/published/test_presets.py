"""Each published set gives the response that is published, or computed from its closed form, for it."""

import csv
from pathlib import Path

import numpy as np
import pytest

from synkin import KERNELS, currents, presets, respond, simulate

with Path(__file__).with_name("presets.csv").open() as file:
    ROWS = {name: figures for name, *figures in csv.reader(file) if name != "name"}  # of one spike


def waveform(g, dt):
    """Of g, (T,), from the spike on: its peak, rise from 10 % to 90 % of it, tau of the decay at the end, and width at
    half of the peak. The peak is the largest sample, as at the end of a pulse; crossings are interpolated linearly."""
    g = np.concatenate([[0], np.asarray(g, float)])
    t, top, peak = np.arange(len(g)) * dt, int(g.argmax()), g.max()

    def up(part):
        i = int((g >= part * peak).argmax())
        return np.interp(part * peak, g[i - 1 : i + 1], t[i - 1 : i + 1])

    i = top + int((g[top:] < peak / 2).argmax())
    down = np.interp(peak / 2, g[[i, i - 1]], t[[i, i - 1]])
    return peak, up(0.9) - up(0.1), -dt * 100 / np.log(g[-1] / g[-101]), down - up(0.5)


def assert_printed(got, printed):
    """``got`` is ``printed`` to the digits that are printed: within half a unit of the last."""
    decimals = len(printed.partition(".")[2])
    assert abs(got - float(printed)) <= 0.5001 * 10.0**-decimals, f"{got} is not {printed}"


@pytest.mark.parametrize("name", ROWS)
def test_preset(name, x64):
    *figures, E = ROWS[name]
    preset = presets.ALL[name]
    assert getattr(presets, name) is preset
    assert preset.kernel in KERNELS.values()
    assert isinstance(preset.params, preset.kernel.Params)
    assert float(E) == preset.E
    assert preset.source
    _, g = simulate(preset.kernel, preset.params, np.arange(80_000) == 0, 0.005, method="exact")
    for value, figure in zip(waveform(g, 0.005), figures, strict=True):
        assert_printed(value, figure)


def test_the_table_is_whole_and_neuron_s_reading_peaks_higher():
    """1.87 times: alpha T of 0.94 /ms instead of 0.47 /ms."""
    assert set(presets.ALL) == set(ROWS)
    assert_printed(float(ROWS["AMPA_NEURON"][0]) / float(ROWS["AMPA_S_DESTEXHE_1995"][0]), "1.87")
    mg = presets.MG_BLOCK_JAHR_STEVENS_1990
    assert_printed(currents.mg_block(-65.0, Mg=mg.Mg, a=mg.a, b=mg.b), "0.05967")


def test_how_much_the_overlap_of_long_pulses_matters(x64):
    """The figures of docs/from_neuron.md."""
    kernel, params, times = presets.GABAB_DESTEXHE_1998.kernel, presets.GABAB_DESTEXHE_1998.params, np.arange(2000.0)
    spikes = 10 + 20.0 * np.arange(5)
    anew, ignored = (respond(kernel, params, spikes, times, overlap=way) for way in ("restart", "ignore"))
    assert f"{anew.max() / ignored.max():.2f}, {anew.sum() / ignored.sum():.2f}" == "1.17, 1.47"
