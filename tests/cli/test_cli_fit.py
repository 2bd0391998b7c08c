"""The command ``fit``: what it reads, finds, writes and prints. What it says of bad input is in tests/messages."""

import json
import re

import numpy as np
import pytest

from synkin import __main__ as command_line
from synkin import expon, respond
from synkin.cli import UsageError, options
from synkin.cli import fit as subcommand
from synkin.cli.fit import samples
from synkin.cli.parser import Parser
from synkin.fitting import fit
from synkin.schemes import SCHEMES, nmda5

TIMES = np.arange(120) / 5
NOISE = 0.01 * np.array([np.random.default_rng(seed).normal(size=TIMES.shape) for seed in (0, 1)])
TRACES = np.array([[-3.0], [2.0]]) * np.where(TIMES >= 4, np.exp(-(TIMES - 4) / 5), 0.0) + NOISE
EXPON = ["--kernel", "expon", "--spikes", "4", "--free", "tau"]
QUICK = ["--scale", "--starts", "1"]


def written(path, header, *columns):
    rows = (",".join(f"{value:.6f}" for value in row) for row in zip(*columns, strict=True))
    path.write_text("\n".join([header, *rows]) + "\n")
    return str(path)


@pytest.fixture
def recording(tmp_path):
    """A file with the time, two recordings and a column of words."""
    path = tmp_path / "recording.csv"
    rows = [f"{t},{a:.6f},{b:.6f},x" for t, (a, b) in zip(TIMES, TRACES.T, strict=True)]
    path.write_text("\n".join(["# mine", "time_ms,first_pA,second_pA,note", *rows]) + "\n")
    return str(path)


@pytest.fixture
def fitted(capsys, tmp_path):
    """What `fit` writes, and prints, for arguments that it accepts."""

    def run(*arguments):
        out = tmp_path / "fit.json"
        assert command_line.main(["fit", *map(str, arguments), "--out", str(out)]) == 0
        return json.loads(out.read_text()), capsys.readouterr().out

    return run


def parsed(*arguments):
    """The arguments as the command's parser has them."""
    parser = Parser()
    subcommand.add_parser(parser.add_subparsers())
    return parser.parse_args(["fit", *arguments])


def test_result_is_that_of_fit(fitted, recording, tmp_path):
    found, text = fitted(recording, "--time", "time_ms", "--trace", "first_pA", *EXPON, "--scale", "--offset")
    expected = fit(
        expon, expon.Params(), [4], TIMES, TRACES[0].round(6), free="tau", scale=True, offset=True, unit="pA"
    )
    assert expected.summary() in text
    assert found["params"] == expected.params._asdict()
    assert (found["scale"], found["offset"], found["onset"]) == (expected.scale, expected.offset, 0.0)
    assert (found["stderr"], found["correlations"]) == (expected.stderr, expected.correlations.tolist())
    for name in ("r_squared", "noise", "identifiable", "message", "success", "nfev", "unit"):
        assert found[name] == getattr(expected, name), name
    assert (found["kernel"], found["columns"]) == ("expon", ["first_pA"])
    assert found["free"] == ["tau", "scale", "offset"]
    assert re.search(r"recording +first_pA\nsamples +120 from 0 to 23.8 ms\n", text)
    assert f"written     {tmp_path / 'fit.json'}\n" in text


def test_columns_averages_and_units(fitted, recording, tmp_path):
    """By default all columns in the unit of the first, as ``measure`` takes them: not the words beside them."""
    for columns in (["--trace", "first_pA,second_pA"], ["--trace", "2,3"], ["--trace", "*_pA"], []):
        found, text = fitted(recording, *columns, *EXPON, *QUICK)
        np.testing.assert_allclose(found["scale"], [-3, 2], rtol=0.02)
        assert found["labels"] == ["tau", "scale[0]", "scale[1]"]
        assert "2 columns, first_pA to second_pA" in text
    for chosen, expected in (([], -0.5), (["--trace", "first_pA"], -3), (["--sweeps", "1"], 2)):
        found, text = fitted(recording, *chosen, *EXPON, *QUICK, "--average")
        assert found["scale"] == pytest.approx(expected, rel=0.05)
        assert ("recording   mean of 2 sweeps\n" in text) == (not chosen)
    same, _ = fitted(recording, "--trace", "2", *EXPON, *QUICK)
    for header, factor, unit in (("time_s", 1e-3, "s"), ("Time (us)", 1e3, "us"), ("t_min", 1 / 60_000, "min")):
        path = tmp_path / "other.csv"
        rows = [f"{float(f'{t * factor:.12g}')!r},{a:.6f}" for t, a in zip(TIMES, TRACES[0], strict=True)]
        path.write_text("\n".join([f"{header},first_pA", *rows]))
        found, text = fitted(path, *EXPON, *QUICK)
        assert f"times       {header}, converted from {unit} to ms; options stay in ms\n" in text
        assert "120 from 0 to 23.8 ms\n" in text
        assert found["params"]["tau"] == pytest.approx(same["params"]["tau"], rel=1e-6)
    cells = [f"{value:.6f}" for value in TRACES[0]]
    cells[30], cells[31], cells[50] = "", "NA", "nan"
    path.write_text("\n".join(f"{t};{cell}" for t, cell in zip(TIMES, cells, strict=True)))
    _, text = fitted(path, *EXPON, *QUICK)
    assert "3 of 120 samples are NaN and were left out." in " ".join(text.split())
    assert "recording   column 2\n" in text


def test_reading(recording, tmp_path):
    """A part of a recording, units in names of columns, and a header that is too long."""
    whole = samples.read(parsed(recording).recording, "1", "2")
    for chosen, kept in (
        (["--from", "2"], TIMES >= 2),
        (["--from-sample", "10"], TIMES >= 2),
        (["--to", "3.5"], TIMES <= 3.5),
        (["--from", "2", "--to", "3.5"], (TIMES >= 2) & (TIMES <= 3.5)),
    ):
        part = samples.cut(whole, parsed(recording, *chosen))
        np.testing.assert_array_equal(part.times, TIMES[kept])
        np.testing.assert_allclose(part.trace, TRACES[0][kept], atol=1e-6)
    path = tmp_path / "named.csv"
    units = {"mean_pA": "pA", "I (nA)": "nA", "V_mV": "mV", "pA": "pA", "pasta": "", "SpA": "", "trace": "", "µS": "µS"}
    for name, unit in units.items():
        path.write_text(f"t,{name}\n0,1\n1,2\n")
        assert samples.read(path, "t", "2").unit == unit, name
    path.write_text("a,b,c\n0,1\n1,2\n")
    with pytest.raises(UsageError, match="must have 2 columns, as the rows have, but has 3"):
        samples.read(path, "1", "2")


def test_options_reach_the_fit(fitted, recording):
    given = ["--scale", "-3", "--offset", "0.001", "--bounds", "tau=6:9", "--loss", "soft_l1", "--set", "tau=7"]
    found, _ = fitted(recording, *EXPON, *given, "--starts", "2")
    assert (found["scale"], found["offset"], found["free"]) == (-3.0, 0.001, ["tau"])
    assert found["params"]["tau"] == pytest.approx(6, rel=1e-6)
    assert "of 2 starts" in found["message"]


@pytest.mark.wide
def test_an_onset_that_is_not_known_and_a_tie(fitted, recording):
    between = ["--kernel", "expon", "--spikes", "3.9", "--free", "tau"]  # no sample tells when it came
    found, text = fitted(recording, "--trace", "2", *between, "--scale", "--onset")
    assert (found["stderr"]["onset"], found["identifiable"]) == (None, False)
    assert re.search(r"onset +\S+ +inf +ms", text)
    tied = ["--kernel", "dual_expon", "--spikes", "4", "--free", "tau_decay", "--tie", "tau_rise=tau_decay"]
    found, _ = fitted(recording, *tied, *QUICK)
    assert found["params"]["tau_rise"] == found["params"]["tau_decay"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--scale FILE", {"scale": True}),
        ("--scale --offset --onset FILE", {"scale": True, "offset": True, "onset": True}),
        ("--scale -1e-3 --offset=2 --onset=fit FILE", {"scale": -1e-3, "offset": 2.0, "onset": True}),
        ("--scale fit FILE", {"scale": True}),
        ("--set tau=2 FILE", {"set": ["tau=2"]}),
        ("--set tau=2 beta=1 FILE --set T=1", {"set": ["tau=2", "beta=1", "T=1"]}),
        ("--bounds tau=1:2 scale=-3: FILE", {"bounds": ["tau=1:2", "scale=-3:"]}),
        ("--spikes -3,4 --from -1e1 FILE", {"spikes": [-3.0, 4.0], "begin": -10.0}),
        ("--set tau=2 -- FILE", {"set": ["tau=2"]}),
        ("FILE", {"scale": False, "set": [], "free": None}),
    ],
)
def test_a_file_keeps_its_name(words, expected):
    """Whatever option stands before it: an option takes the words that can be its value."""
    arguments = parsed(*words.split())
    assert str(arguments.recording) == "FILE"
    assert {name: getattr(arguments, name) for name in expected} == expected


@pytest.mark.wide
def test_the_sample(fitted, tmp_path):
    pytest.importorskip("matplotlib")
    picture = tmp_path / "fit.png"
    found, text = fitted("--sample", "--plot", picture)
    assert "recording   current_pA\n            synthetic, see synkin/data/make_recording.py\n" in text
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert found["params"]["beta"] == pytest.approx(0.3, rel=0.03)
    assert found["free"] == ["alpha", "beta", "T_dur", "scale", "offset", "onset"]
    assert re.search(r"tau_rise +\S+ +\S+ +ms", fitted("--sample", "--kernel", "dual_expon", "--starts", "2")[1])


def test_sample_and_what_is_free_by_default(fitted, capsys, monkeypatch):
    """What is asked for goes before what the sample stands for; of a scheme the rates of opening and closing."""
    found, text = fitted("--sample", "--free", "beta", "--scale", "-40", "--starts", "1")
    assert (found["free"], found["scale"]) == (["beta", "offset", "onset"], -40.0)
    assert "            synthetic, see synkin/data/make_recording.py\n" in text
    given = {}

    def stop(*_, **options):
        given.update(options)
        raise ValueError("Far enough.")

    monkeypatch.setattr(subcommand, "fit", stop)
    for kernel, free in (
        ("ampa", ["alpha", "beta", "T_dur"]),
        ("alpha", ["tau"]),
        ("dual_expon", ["tau_decay", "tau_rise"]),
        ("bionmda", ["alpha1", "beta1", "alpha2", "beta2", "T_dur"]),
    ):
        assert command_line.main(["fit", "--sample", "--kernel", kernel]) == 2
        assert capsys.readouterr().err == "Far enough.\n"
        assert (given["free"], given["scale"]) == (free, True)
    assert options.typical_free(nmda5) == ["beta", "alpha"]
    assert options.typical_free(SCHEMES["jonas1993"]) == ["alpha", "beta", "d3", "r3"]
    assert options.typical_free(SCHEMES["gabab"]) == ["K1", "K2", "K3", "K4", "KD", "T_dur"]


@pytest.mark.wide
def test_granule_cell(fitted, recordings):
    words = "--time time_ms --trace mean_pA --kernel ampa --spikes 2.9 --free alpha,beta,T_dur --scale --offset --onset"
    found, _ = fitted(recordings / "mepsc_granule_cell.csv", *words.split(), "--from-sample", "100")
    assert found["r_squared"] == pytest.approx(0.978, abs=6e-4)
    assert found["params"]["T_dur"] == pytest.approx(0.252, rel=0.01)
    assert found["unit"] == "pA"


# Intervals, several kernels, errors


def test_profile_and_bootstrap(fitted, recording, tmp_path):
    pytest.importorskip("matplotlib")
    picture = tmp_path / "fit.png"
    intervals = ["--profile", "tau,scale", "--bootstrap", "6", "--plot", picture]
    found, text = fitted(recording, "--trace", "2", *EXPON, *QUICK, *intervals)
    low, high = found["profiles"]["tau"]["interval95"]
    assert low < 5 < high
    assert set(found["profiles"]) == {"tau", "scale"}
    assert np.shape(found["bootstrap"]["samples"]) == (6, 2)
    assert "Profile of tau: " in text
    assert "Bootstrap of 6 draws of blocks of " in text
    assert picture.stat().st_size > 10_000


def test_kernels_are_compared(fitted, recording, tmp_path):
    """Bounds, ties and profiles go to the kernels that have what they name, and a line says to which."""
    pytest.importorskip("matplotlib")
    picture = tmp_path / "compared.png"
    words = "--kernel expon,dual_expon --spikes 4 --starts 2 --bounds expon.tau=4:9 tau_decay=1:50 --bootstrap 3"
    words += " --tie tau_rise=tau_decay --profile scale,tau_decay --trace 2 --scale --plot"
    compared, text = fitted(recording, *words.split(), picture)
    some = ("--tie tau_rise: dual_expon", "--bounds tau: expon", "--bounds tau_decay: dual_expon")
    assert f"for some    {'; '.join(some)}; --profile tau_decay: dual_expon\n" in text
    best, other = compared["fits"]
    assert (compared["names"], best["kernel"]) == (["expon", "dual_expon"], "expon")
    assert best["params"]["tau"] == pytest.approx(5, rel=0.02)
    assert other["params"]["tau_rise"] == other["params"]["tau_decay"]
    assert [set(each["profiles"]) for each in (best, other)] == [{"scale"}, {"scale", "tau_decay"}]
    assert "bootstrap" in best
    assert "bootstrap" not in other
    assert "expon is the most likely of them" in " ".join(text.split())
    assert "The most likely:" in text
    assert "of expon alone, the most likely" in text
    assert "Of dual_expon:\nProfile of tau_decay: " in text
    assert picture.stat().st_size > 10_000
    words = "--trace 2 --kernel dual_expon,expon --free tau,tau_decay --set tau_rise=0.5 --spikes 4"
    compared, _ = fitted(recording, *words.split(), *QUICK)
    rising = next(each for each in compared["fits"] if each["kernel"] == "dual_expon")
    assert rising["params"]["tau_rise"] == 0.5
    assert rising["free"] == ["tau_decay", "scale"]


@pytest.mark.wide
def test_a_sum_is_fitted_as_one(fitted, tmp_path):
    """And compared with its part: each name is that of the part, or of the relative conductance."""
    times = np.arange(0, 60, 0.25)
    age = np.maximum(times - 4, 0)
    current = np.where(times >= 4, -30 * (np.exp(-age / 2) + 0.3 * np.exp(-age / 20)), 0.0)
    current += 0.3 * np.random.default_rng(0).normal(size=times.size)
    path = written(tmp_path / "two.csv", "time_ms,i_pA", times, current)
    words = "--kernel expon,expon+expon --set expon.tau=5 --spikes 4 --scale --starts 4"
    found, text = fitted(path, *words.split())
    assert found["names"] == ["expon+expon", "expon"]
    taus = [found["fits"][0]["params"][name] for name in ("expon1_tau", "expon2_tau")]
    np.testing.assert_allclose(sorted(taus), [2, 20], rtol=0.1)
    assert found["fits"][0]["free"] == ["expon1_tau", "g_expon2", "expon2_tau", "scale"]
    assert "expon+expon is the most likely of them" in " ".join(text.split())


@pytest.mark.wide
def test_a_scheme_is_fitted(fitted, tmp_path):
    """A recording made with another rate of opening: it comes back."""
    times = np.arange(0.0, 200.0, 2.0)
    g = np.asarray(respond(nmda5, nmda5.Params(beta=0.08), [3.0], times))
    scheme = "C0 + glu <-> C1 : kon, koff\nC1 + glu <-> C2 : kon, koff\nC2 <-> D : kd, kr\nC2 <-> O : beta, alpha\n"
    scheme += "".join(f"{k} = {v}\n" for k, v in nmda5.Params()._asdict().items() if not k.startswith("T"))
    (tmp_path / "mine.txt").write_text(scheme + "open = O\n")
    path = written(tmp_path / "r.csv", "time_ms,g_mS", times, g)
    words = ["--scheme", tmp_path / "mine.txt", "--spikes", "3", "--free", "beta", "--starts", "1"]
    found, text = fitted(path, *words)
    assert text.startswith("kernel      mine\n")
    assert found["kernel"] == "mine"
    assert found["params"]["beta"] == pytest.approx(0.08, rel=1e-3)


def test_sigma(fitted, recording, tmp_path):
    """A number changes nothing, and that is said; a column, a file and a number for each column do."""
    sigma = np.where(TIMES > 10, 100.0, 1.0)
    own = written(tmp_path / "sigma.csv", "time_ms,error", TIMES, sigma)
    table = written(tmp_path / "with.csv", "time_ms,i_pA,error", TIMES, TRACES[0] + (TIMES > 10), sigma)

    def tau(*words):
        found, text = fitted(*words, *EXPON, *QUICK, "--from", "2")
        return found["params"]["tau"], text

    plain, _ = tau(table)
    same, text = tau(table, "--sigma", "2.5")
    assert same == plain
    assert "sigma       2.5 pA throughout: as only proportions count, the fit is the same without\n" in text
    by_column, text = tau(table, "--sigma", "error")
    assert by_column == pytest.approx(5, rel=0.05)
    assert abs(plain - 5) > 0.5
    assert f"columns error of {table}" in text
    assert tau(table, "--sigma", own)[0] == by_column
    each = [tau(recording, "--trace", "2,3", "--sigma", given)[0] for given in ("1,100", "100,1")]
    np.testing.assert_allclose(each, [tau(recording, "--trace", column)[0] for column in "23"], rtol=1e-3)
    a, b = TRACES  # errors are no sweeps
    path = written(tmp_path / "cell.csv", "time_ms,a_pA,a_sd_pA,b_pA,b_sd_pA", TIMES, a, a * 0 + 1, b, b * 0 + 2)
    assert "recording   2 columns, a_pA to b_pA\n" in tau(path, "--sigma", "*_sd_pA")[1]


def test_complaints(capsys, recording, tmp_path):
    """Those that need this recording; the others are in tests/messages."""
    for words, expected in (
        (["--time", "*_pA"], "Option --time needs one column, but *_pA means 2."),
        (["--trace", "note"], "must have a number in column 4, but has 'x'."),
        (["--free", ","], "Option --free must be names of parameters, but is ','."),
        (["--spikes", "40"], "must lie before the end of the recording, 23.8 ms, but has 40.0."),
        (["--bounds", "tau=a:b"], "Option --bounds needs NAME=LOW:HIGH"),
        (["--from-sample", "-1"], "Option --from-sample must be 0 or more, but is -1."),
        (["--starts", "0"], "Argument `starts` must be a positive whole number, but is 0."),
        (["--set", "tau=-1"], "Parameter `tau` must be positive and finite, but has the value -1.0."),
        (["--plot", "fit.gif"], "Option --plot needs a file in .png or .pdf or .svg, but got fit.gif."),
    ):
        assert command_line.main(["fit", recording, *EXPON, *words]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.count("\n") == 1
        assert expected in captured.err
