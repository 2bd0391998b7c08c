"""The command ``fit``: what it reads, finds, writes and prints. What it says of bad input is in tests/messages."""

import json
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

import synkin
from synkin import __main__ as command_line
from synkin import expon, fit
from synkin.cli import UsageError, options
from synkin.cli import fit as subcommand
from synkin.cli.fit import samples
from synkin.cli.fit.wording import in_options
from synkin.cli.parser import Parser
from synkin.cli.parsers import fit as options_of_fit
from synkin.schemes import SCHEMES, nmda5

COMPLAINTS = tomllib.loads(Path(__file__).with_name("tables.toml").read_text(encoding="utf-8"))["fit"]
TIMES = np.arange(120) / 5
NOISE = 0.01 * np.array([np.random.default_rng(seed).normal(size=TIMES.shape) for seed in (0, 1)])
TRACES = np.array([[-3.0], [2.0]]) * np.where(TIMES >= 4, np.exp(-(TIMES - 4) / 5), 0.0) + NOISE
EXPON = ["--kernel", "expon", "--spikes", "4", "--free", "tau"]
QUICK = ["--scale", "--starts", "1"]


def written(path, header, *columns):
    rows = (",".join(v if isinstance(v, str) else f"{v:.6f}" for v in row) for row in zip(*columns, strict=True))
    path.write_text("\n".join([header, *rows]) + "\n")
    return str(path)


@pytest.fixture
def recording(tmp_path):
    """A file with the time, two recordings and a column of words."""
    header = "# mine\ntime_ms,first_pA,second_pA,note"
    return written(tmp_path / "recording.csv", header, TIMES, *TRACES, ["x"] * TIMES.size)


@pytest.fixture
def fitted(capsys, tmp_path):
    """What `fit` writes, and prints, for arguments that it accepts."""

    def run(*arguments):
        out = tmp_path / "fit.json"
        assert command_line.main(["fit", *map(str, arguments), "--out", str(out)]) == 0
        return json.loads(out.read_text()), capsys.readouterr().out

    return run


@pytest.fixture
def picture(tmp_path):
    pytest.importorskip("matplotlib")
    return tmp_path / "fit.png"


def parsed(*arguments):
    """The arguments as the command's parser has them."""
    parser = Parser()
    options_of_fit.add_parser(parser.add_subparsers())
    return parser.parse_args(["fit", *arguments])


def test_result_is_that_of_fit(fitted, recording, tmp_path):
    found, text = fitted(recording, "--time", "time_ms", "--trace", "first_pA", *EXPON, *QUICK)
    given = {"free": "tau", "scale": True, "starts": 1, "unit": "pA"}
    expected = fit(expon, expon.Params(), [4], TIMES, TRACES[0].round(6), **given)
    assert expected.summary() in text
    assert found["params"] == expected.params._asdict()
    assert (found["scale"], found["offset"], found["onset"]) == (expected.scale, 0.0, 0.0)
    assert (found["stderr"], found["correlations"]) == (expected.stderr, expected.correlations.tolist())
    for name in ("r_squared", "noise", "identifiable", "message", "success", "nfev", "unit"):
        assert found[name] == getattr(expected, name), name
    assert (found["kernel"], found["columns"], found["free"]) == ("expon", ["first_pA"], ["tau", "scale"])
    assert re.search(r"recording +first_pA\nsamples +120 from 0 to 23.8 ms\n", text)
    assert f"written     {tmp_path / 'fit.json'}\n" in text


def test_columns_averages_and_units(fitted, recording, tmp_path):
    """By default all columns in the unit of the first, as ``measure`` takes them: not the words beside them."""
    for columns in (["--trace", "2,3"], []):
        found, text = fitted(recording, *columns, *EXPON, *QUICK)
        np.testing.assert_allclose(found["scale"], [-3, 2], rtol=0.02)
        assert found["labels"] == ["tau", "scale[0]", "scale[1]"]
        assert "2 columns, first_pA to second_pA" in text
    for chosen in ("first_pA,second_pA", "2,3", "*_pA"):
        np.testing.assert_allclose(samples.read(parsed(recording).recordings[0], "1", chosen).trace, TRACES, atol=1e-6)
    for chosen, expected in (([], -0.5), (["--trace", "first_pA"], -3), (["--sweeps", "1"], 2)):
        found, text = fitted(recording, *chosen, *EXPON, *QUICK, "--average")
        assert found["scale"] == pytest.approx(expected, rel=0.05)
        assert ("recording   mean of 2 sweeps\n" in text) == (not chosen)
    same, _ = fitted(recording, "--trace", "2", *EXPON, *QUICK)
    path = tmp_path / "other.csv"
    for header, factor, unit in (("time_s", 1e-3, "s"), ("Time (us)", 1e3, "us"), ("t_min", 1 / 60_000, "min")):
        written(path, f"{header},first_pA", [f"{t * factor:.12g}" for t in TIMES], TRACES[0])
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
    whole = samples.read(parsed(recording).recordings[0], "1", "2")
    for chosen, kept in (
        ("--from 2", TIMES >= 2),
        ("--from-sample 10", TIMES >= 2),
        ("--to 3.5", TIMES <= 3.5),
        ("--from 2 --to 3.5", (TIMES >= 2) & (TIMES <= 3.5)),
    ):
        part = samples.cut(whole, parsed(recording, *chosen.split()))
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


@pytest.fixture
def asked(capsys, monkeypatch):
    """What a command asks `fit` for."""
    given = {}

    def stop(kernel, params, spike_times, recording, **options):
        given.update(options, kernel=kernel, params=params, unit=recording.unit)
        raise ValueError("Far enough.")

    def run(*arguments):
        assert command_line.main(["fit", *arguments]) == 2
        assert capsys.readouterr().err == "Far enough.\n"
        return given

    monkeypatch.setattr(subcommand, "fit", stop)
    return run


def test_options_reach_the_fit(asked, recording):
    """What is asked for goes before what the sample stands for; of a scheme rates of opening and closing are free."""
    words = "--scale -3 --offset 0.001 --bounds tau=6:9 --loss soft_l1 --set tau=7 --starts 2"
    given = asked(recording, *EXPON, *words.split())
    expected = {"free": ["tau"], "scale": -3.0, "offset": 0.001, "onset": False, "loss": "soft_l1", "starts": 2}
    assert {name: given[name] for name in expected} == expected
    assert (given["params"], given["bounds"]["tau"], given["unit"]) == (expon.Params(7.0), (6.0, 9.0), "pA")
    for words, free, scale in (
        ("ampa", ["alpha", "beta", "T_dur"], True),
        ("ampa --free beta --scale -40", ["beta"], -40.0),
        ("alpha", ["tau"], True),
        ("dual_expon", ["tau_decay", "tau_rise"], True),
        ("bionmda", ["alpha1", "beta1", "alpha2", "beta2", "T_dur"], True),
        ("expon+expon", ["expon1_tau", "g_expon2", "expon2_tau"], True),
        ("expon,expon+expon --set expon.tau=7", ["tau"], True),
    ):
        given = asked("--sample", "--kernel", *words.split())
        assert [given[name] for name in ("free", "scale", "offset", "onset")] == [free, scale, True, True]
    assert given["params"].tau == 7
    assert options.typical_free(nmda5) == ["beta", "alpha"]
    assert options.typical_free(SCHEMES["jonas1993"]) == ["alpha", "beta", "d3", "r3"]
    assert options.typical_free(SCHEMES["gabab"]) == ["K1", "K2", "K3", "K4", "KD", "T_dur"]


def test_a_weight_for_each_spike(fitted, tmp_path):
    """Free, they are numbers like any other; given, they belong to the spikes as typed, in any order."""
    second = np.where(TIMES >= 14, np.exp(-(TIMES - 14) / 5), 0.0)
    path = written(tmp_path / "pair.csv", "time_ms,I_pA", TIMES, TRACES[0] - 1.5 * second)
    pair = ["--kernel", "expon", "--free", "tau", *QUICK]
    found, text = fitted(path, *pair, "--spikes", "14,4", "--weights", "free", "--bounds", "weight_1=0.1:2")
    assert found["free"] == ["tau", "weight_1", "scale"]
    assert found["weights"] == pytest.approx([1.0, 0.5], abs=4 * found["stderr"]["weight_1"])
    assert found["stderr"]["weight_1"] < 0.02
    assert re.search(r"weight_1 +0\.\d+ +0\.\d+ +mS", text)
    found, text = fitted(path, *pair, "--spikes", "14,4", "--weights", "0.5,1")
    assert (found["r_squared"] > 0.99, "weights" in found) == (True, False)
    assert "weights     1 at 4 ms, 0.5 at 14 ms\n" in text
    backwards, _ = fitted(path, *pair, "--spikes", "4,14", "--weights", "0.5,1")
    assert backwards["r_squared"] < 0.95


@pytest.mark.parametrize(
    ("said", "as_options"),
    [
        ("With `onset=True` and `scale=True` R^2 is 0.9", "With --onset and --scale R^2 is 0.9"),
        ('with `weights="free"`, an amplitude', "with --weights free, an amplitude"),
        (
            "leave beta out of `free` and give scale and onset a number.",
            "leave beta out of --free and give --scale and --onset a number.",
        ),
        ("stopped at `max_nfev` evaluations, before", "stopped at its maximum number of evaluations, before"),
        ("give it, as filter=synkin.bessel(4, 0.6).", "give it in Python, as filter=synkin.bessel(4, 0.6)."),
        ("The offset and scale are known.", "The offset and scale are known."),
    ],
)
def test_messages_name_options(said, as_options):
    assert in_options(said) == as_options


def test_the_errors_of_a_mean(fitted, recording):
    """They are of its curve, also as told by Python; what was fitted itself has none of this."""
    options = ["--trace", "2,3", *EXPON, *QUICK]
    mean = synkin.Recording(TIMES, TRACES.mean(axis=0), averaged=2)
    in_python = fit(expon, expon.Params(), [4], mean, free="tau", scale=True, starts=1)
    for message in (fitted(recording, *options, "--average")[0]["message"], in_python.message):
        assert "is the mean of 2 sweeps: the standard errors are those of the mean's curve alone" in message
    assert "is the mean" not in fitted(recording, *options)[0]["message"]


def test_a_hint_is_an_option(fitted, recording):
    """In the summary and in the .json file; what it says to do can be typed."""
    found, text = fitted(recording, "--trace", "2", *EXPON, "--starts", "1")
    hint = re.search(r"With (--[-\w, ]+) R\^2 is (\d\.\d+)", found["message"])
    assert hint[0] in " ".join(text.split())
    options_said = re.findall(r"--\w+", hint[1])
    better, _ = fitted(recording, "--trace", "2", *EXPON, "--starts", "1", *options_said)
    assert "--scale" in options_said
    assert better["r_squared"] == pytest.approx(float(hint[2]), abs=6e-4)


@pytest.mark.wide
def test_hints_of_a_comparison_are_options(fitted, recording):
    both = ["--kernel", "expon,alpha", "--spikes", "4", "--starts", "1"]
    found, text = fitted(recording, "--trace", "2", *both)
    for message in (text, found["message"], *(each["message"] for each in found["fits"])):
        assert "`" not in message
    assert all("With --" in each["message"] for each in found["fits"])


@pytest.mark.wide
def test_an_onset_that_is_not_known(fitted, recording):
    between = ["--kernel", "expon", "--spikes", "3.9", "--free", "tau"]  # no sample tells when it came
    found, text = fitted(recording, "--trace", "2", *between, "--scale", "--onset")
    assert (found["stderr"]["onset"], found["identifiable"]) == (None, False)
    assert re.search(r"onset +\S+ +inf +ms", text)


def test_a_file_keeps_its_name():
    """Whatever option stands before it: an option takes the words that can be its value."""
    for words, expected in (
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
    ):
        arguments = parsed(*words.split())
        assert [str(path) for path in arguments.recordings] == ["FILE"], words
        assert {name: getattr(arguments, name) for name in expected} == expected, words


@pytest.mark.wide
def test_the_sample(fitted, picture):
    found, text = fitted("--sample", "--plot", picture)
    assert "recording   current_pA\n            synthetic, see synkin/data/make_recording.py\n" in text
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert found["params"]["beta"] == pytest.approx(0.3, rel=0.03)
    assert found["free"] == ["alpha", "beta", "T_dur", "scale", "offset", "onset"]
    assert re.search(r"tau_rise +\S+ +\S+ +ms", fitted("--sample", "--kernel", "dual_expon", "--starts", "2")[1])


# Intervals, several kernels, errors


def test_profile_and_bootstrap(fitted, recording, picture):
    intervals = ["--profile", "tau,scale", "--bootstrap", "6", "--plot", picture]
    found, text = fitted(recording, "--trace", "2", *EXPON, *QUICK, *intervals)
    low, high = found["profiles"]["tau"]["interval95"]
    assert low < 5 < high
    assert set(found["profiles"]) == {"tau", "scale"}
    assert np.shape(found["bootstrap"]["samples"]) == (6, 2)
    assert "Profile of tau: " in text
    assert "Bootstrap of 6 draws of blocks of " in text
    assert picture.stat().st_size > 10_000


def test_a_fit_is_not_lost_to_a_bootstrap_that_cannot_be(fitted):
    """Where what is left of a misfit is as slow as the response."""
    words = "--sample --kernel dual_expon --free tau_decay --starts 1 --bootstrap 5"
    found, text = fitted(*words.split())
    assert found["free"] == ["tau_decay", "scale", "offset", "onset"]
    assert "bootstrap" not in found
    assert "bootstrap   none was made. A bootstrap of blocks needs " in text


@pytest.mark.wide
def test_kernels_are_compared(fitted, recording, picture):
    """Bounds, ties and profiles go to the kernels that have what they name, and a line says to which."""
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
    assert ("bootstrap" in best, "bootstrap" in other) == (True, False)
    for part in ("The most likely:", "of expon alone, the most likely", "Of dual_expon:\nProfile of tau_decay: "):
        assert part in text
    assert picture.stat().st_size > 10_000


def test_two_kernels(fitted, recording):
    words = "--trace 2 --kernel alpha,expon --free tau --spikes 4"
    compared, text = fitted(recording, *words.split(), *QUICK)
    assert [each["kernel"] for each in compared["fits"]] == compared["names"] == ["expon", "alpha"]
    assert compared["fits"][0]["params"]["tau"] == pytest.approx(5, rel=0.02)
    assert "expon is the most likely of them" in " ".join(text.split())


def test_a_scheme_is_fitted_by_its_name(asked, recording, file):
    scheme = file("mine.txt", "A + T <-> B : on, off\non = 5\noff = 0.2\nopen = B\n")
    words = f"--scheme {scheme} --spikes 3 --free off,on --tie on=off --set T=2"
    given = asked(recording, *words.split())
    assert (given["kernel"].name, given["free"], given["tie"]) == ("mine", ["off", "on"], {"on": "off"})
    assert given["params"]._asdict() == {"on": 5.0, "off": 0.2, "T": 2.0, "T_dur": 1.0}


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
    assert "sigma       2.5 pA throughout: the fit is the same without it, as only ratios count\n" in text
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


@pytest.mark.parametrize("words", COMPLAINTS)
def test_complaints(complaint, recording, words):
    """Those that need this recording; the others are in tests/messages."""
    assert COMPLAINTS[words] in complaint("fit", recording, *EXPON, *words.split())
