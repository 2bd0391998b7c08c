"""The command ``fit``: what it reads, finds, writes and prints, and what it says when something is wrong."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from synkin import __main__ as command_line
from synkin import expon
from synkin.cli import UsageError
from synkin.cli import fit as subcommand
from synkin.cli.fit import samples
from synkin.cli.parser import Parser
from synkin.fitting import fit

main = command_line.main

TIMES = np.arange(120) / 5
SPIKE = 4.0


def trace(scale, tau, seed):
    """A response that decays from 4 ms on, with noise, in steps of 0.2 ms."""
    clean = np.where(TIMES >= SPIKE, scale * np.exp(-(TIMES - SPIKE) / tau), 0.0)
    return clean + 0.01 * np.random.default_rng(seed).normal(size=TIMES.shape)


TRACES = np.array([trace(-3.0, 5.0, 0), trace(2.0, 5.0, 1)])
EXPON = ["--kernel", "expon", "--spikes", "4", "--free", "tau"]


@pytest.fixture
def recording(tmp_path):
    """A file with the time, two recordings and a column of words."""
    path = tmp_path / "recording.csv"
    rows = [f"{t},{a:.6f},{b:.6f},x" for t, (a, b) in zip(TIMES, TRACES.T, strict=True)]
    path.write_text("\n".join(["# mine", "time_ms,first_pA,second_pA,note", *rows]) + "\n")
    return str(path)


@pytest.fixture
def said(capsys):
    """What main prints for arguments that it accepts."""

    def run(*arguments):
        assert main(["fit", *arguments]) == 0
        return capsys.readouterr().out

    return run


@pytest.fixture
def complaint(capsys):
    """The one sentence that main ends with for arguments that it does not accept."""

    def run(*arguments):
        assert main(["fit", *arguments]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.endswith(".\n")
        assert captured.err.count("\n") == 1
        return captured.err.strip()

    return run


def result(path):
    return json.loads(path.read_text())


def test_result_is_that_of_fit(said, recording, tmp_path):
    out = tmp_path / "fit.json"
    text = said(recording, "--time", "time_ms", "--trace", "first_pA", *EXPON, "--scale", "--offset", "--out", str(out))
    expected = fit(
        expon, expon.Params(), [4], TIMES, TRACES[0].round(6),
        free="tau", scale=True, offset=True, unit="pA",
    )  # fmt: skip
    assert expected.summary() in text
    written = result(out)
    assert written["params"] == expected.params._asdict()
    assert (written["scale"], written["offset"], written["onset"]) == (expected.scale, expected.offset, 0.0)
    assert written["stderr"] == expected.stderr
    assert written["correlations"] == expected.correlations.tolist()
    for name in ("r_squared", "noise", "identifiable", "message", "success", "nfev", "unit"):
        assert written[name] == getattr(expected, name), name
    assert (written["kernel"], written["columns"], written["free"]) == (
        "expon",
        ["first_pA"],
        ["tau", "scale", "offset"],
    )
    assert re.search(r"recording +first_pA\nsamples +120 from 0 to 23.8 ms\n", text)
    assert f"written     {out}\n" in text


@pytest.mark.parametrize("columns", ["first_pA,second_pA", "2,3", "*_pA", None])
def test_several_columns(said, recording, tmp_path, columns):
    """By default all in the unit of the first, as ``measure`` takes them: not the words beside them."""
    out = tmp_path / "fit.json"
    text = said(recording, *(["--trace", columns] if columns else []), *EXPON, "--scale", "--out", str(out))
    np.testing.assert_allclose(result(out)["scale"], [-3, 2], rtol=0.02)
    assert result(out)["labels"] == ["tau", "scale[0]", "scale[1]"]
    assert "2 columns, first_pA to second_pA" in text


def test_average(said, recording, tmp_path):
    """The mean of all sweeps, without --trace; or of those that it or --sweeps names."""
    out = tmp_path / "fit.json"
    for options, expected in (([], -0.5), (["--trace", "first_pA"], -3), (["--sweeps", "1"], 2)):
        text = said(recording, *options, *EXPON, "--scale", "--average", "--starts", "1", "--out", str(out))
        assert result(out)["scale"] == pytest.approx(expected, rel=0.05)
        assert ("recording   mean of 2 sweeps\n" in text) == (not options)


def test_errors_are_no_sweeps(said, tmp_path):
    path = tmp_path / "cell.csv"
    rows = (f"{t},{a:.6f},1,{b:.6f},2" for t, (a, b) in zip(TIMES, TRACES.T, strict=True))
    path.write_text("\n".join(["time_ms,a_pA,a_sd_pA,b_pA,b_sd_pA", *rows]))
    text = said(str(path), *EXPON, "--scale", "--starts", "1", "--sigma", "*_sd_pA")
    assert "recording   2 columns, a_pA to b_pA\n" in text


def test_part_of_a_recording(recording):
    whole = samples.read(recording_path(recording), "1", "2")
    for options, kept in (
        (["--from", "2"], TIMES >= 2),
        (["--from-sample", "10"], TIMES >= 2),
        (["--to", "3.5"], TIMES <= 3.5),
        (["--from", "2", "--to", "3.5"], (TIMES >= 2) & (TIMES <= 3.5)),
    ):
        part = samples.cut(whole, parsed(recording, *options))
        np.testing.assert_array_equal(part.times, TIMES[kept])
        np.testing.assert_allclose(part.trace, TRACES[0][kept], atol=1e-6)


def test_options_reach_the_fit(said, recording, tmp_path):
    out = tmp_path / "fit.json"
    options = ["--scale", "-3", "--offset", "0.001", "--bounds", "tau=6:9", "--loss", "soft_l1", "--set", "tau=7"]
    said(recording, *EXPON, *options, "--starts", "2", "--out", str(out))
    written = result(out)
    assert (written["scale"], written["offset"], written["free"]) == (-3.0, 0.001, ["tau"])
    assert written["params"]["tau"] == pytest.approx(6, rel=1e-6)
    assert "of 2 starts" in written["message"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--scale", "FILE"], {"scale": True}),
        (["--scale", "--offset", "--onset", "FILE"], {"scale": True, "offset": True, "onset": True}),
        (["--scale", "-1e-3", "--offset=2", "--onset=fit", "FILE"], {"scale": -1e-3, "offset": 2.0, "onset": True}),
        (["--scale", "fit", "FILE"], {"scale": True}),
        (["--set", "tau=2", "FILE"], {"set": ["tau=2"]}),
        (["--set", "tau=2", "beta=1", "FILE", "--set", "T=1"], {"set": ["tau=2", "beta=1", "T=1"]}),
        (["--bounds", "tau=1:2", "scale=-3:", "FILE"], {"bounds": ["tau=1:2", "scale=-3:"]}),
        (["--spikes", "-3,4", "--from", "-1e1", "FILE"], {"spikes": [-3.0, 4.0], "begin": -10.0}),
        (["--set", "tau=2", "--", "FILE"], {"set": ["tau=2"]}),
        (["FILE"], {"scale": False, "set": [], "free": None}),
    ],
)
def test_a_file_keeps_its_name(recording, words, expected):
    """Whatever option stands before it: an option takes the words that can be its value."""
    arguments = parsed(*(recording if word == "FILE" else word for word in words))
    assert str(arguments.recording) == recording
    assert {name: getattr(arguments, name) for name in expected} == expected


@pytest.mark.parametrize(("header", "factor"), [("time_s", 1e-3), ("Time (us)", 1e3), ("t_min", 1 / 60_000)])
def test_times_in_other_units(said, recording, tmp_path, header, factor):
    """The same fit, to the last digit where the numbers are those."""
    path = tmp_path / "other.csv"
    rows = [f"{float(f'{t * factor:.12g}')!r},{a:.6f}" for t, a in zip(TIMES, TRACES[0], strict=True)]
    path.write_text("\n".join([f"{header},first_pA", *rows]))
    outs = [tmp_path / "1.json", tmp_path / "2.json"]
    text = said(str(path), *EXPON, "--scale", "--out", str(outs[0]))
    unit = {"time_s": "s", "Time (us)": "us", "t_min": "min"}[header]
    assert f"times       {header}, converted from {unit} to ms; options stay in ms\n" in text
    assert "120 from 0 to 23.8 ms\n" in text
    said(recording, "--trace", "2", *EXPON, "--scale", "--out", str(outs[1]))
    assert result(outs[0])["params"]["tau"] == pytest.approx(result(outs[1])["params"]["tau"], rel=1e-6)


def test_missing_cells_are_left_out(said, tmp_path):
    path = tmp_path / "gaps.csv"
    cells = [f"{value:.6f}" for value in TRACES[0]]
    cells[30], cells[31], cells[50] = "", "NA", "nan"
    path.write_text("\n".join(f"{t};{cell}" for t, cell in zip(TIMES, cells, strict=True)))
    text = said(str(path), *EXPON, "--scale")
    assert "3 of 120 samples are NaN and were left out." in " ".join(text.split())
    assert "recording   column 2\n" in text


def test_what_is_not_known_is_null(said, recording, tmp_path):
    out = tmp_path / "fit.json"
    spikes_between_samples = ["--kernel", "expon", "--spikes", "3.9", "--free", "tau"]
    text = said(recording, "--trace", "2", *spikes_between_samples, "--scale", "--onset", "--out", str(out))
    assert result(out)["stderr"]["onset"] is None
    assert result(out)["identifiable"] is False
    assert re.search(r"onset +\S+ +inf +ms", text)


def test_sample(said, tmp_path):
    pytest.importorskip("matplotlib")
    picture, out = tmp_path / "fit.png", tmp_path / "fit.json"
    text = said("--sample", "--plot", str(picture), "--out", str(out))
    assert "recording   current_pA\n            synthetic, see synkin/data/make_recording.py\n" in text
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert result(out)["params"]["beta"] == pytest.approx(0.3, rel=0.03)
    assert result(out)["free"] == ["alpha", "beta", "T_dur", "scale", "offset", "onset"]
    # What is asked for goes before what the sample stands for.
    said("--sample", "--free", "beta", "--scale", "-40", "--out", str(out))
    assert result(out)["free"] == ["beta", "offset", "onset"]
    assert result(out)["scale"] == -40.0


@pytest.mark.parametrize(
    ("kernel", "free"),
    [
        ("ampa", ["alpha", "beta", "T_dur"]),
        ("alpha", ["tau"]),
        ("dual_expon", ["tau_decay", "tau_rise"]),
        ("bionmda", ["alpha1", "beta1", "alpha2", "beta2", "T_dur"]),
    ],
)
def test_sample_with_any_kernel(capsys, monkeypatch, kernel, free):
    """What is free is what the kernel has."""
    given = {}

    def stop(*_, **options):
        given.update(options)
        raise ValueError("Far enough.")

    monkeypatch.setattr(subcommand, "fit", stop)
    assert main(["fit", "--sample", "--kernel", kernel]) == 2
    assert capsys.readouterr().err == "Far enough.\n"
    assert (given["free"], given["scale"]) == (free, True)


def test_sample_is_fitted_by_another_kernel(said):
    assert re.search(r"tau_rise +\S+ +\S+ +ms", said("--sample", "--kernel", "dual_expon", "--starts", "2"))


def test_granule_cell(said, recordings, tmp_path):
    out = tmp_path / "fit.json"
    options = (
        "--time time_ms --trace mean_pA --kernel ampa --spikes 2.9 --free alpha,beta,T_dur --scale --offset --onset"
    )
    said(str(recordings / "mepsc_granule_cell.csv"), *options.split(), "--from-sample", "100", "--out", str(out))
    written = result(out)
    assert written["r_squared"] == pytest.approx(0.978, abs=6e-4)
    assert written["params"]["T_dur"] == pytest.approx(0.252, rel=0.01)
    assert written["unit"] == "pA"


def test_units_in_names(tmp_path):
    for name, unit in {
        "mean_pA": "pA", "I (nA)": "nA", "V_mV": "mV", "pA": "pA", "pasta": "", "SpA": "", "trace": "", "µS": "µS",
    }.items():  # fmt: skip
        path = tmp_path / "named.csv"
        path.write_text(f"t,{name}\n0,1\n1,2\n")
        assert samples.read(path, "t", "2").unit == unit, name


def recording_path(text):
    return Path(text)


def parsed(*arguments):
    """The arguments as the command's parser has them."""
    parser = Parser()
    subcommand.add_parser(parser.add_subparsers())
    return parser.parse_args(["fit", *arguments])


# Intervals, and several kernels


def test_profile_and_bootstrap(said, recording, tmp_path):
    out, picture = tmp_path / "fit.json", tmp_path / "fit.png"
    one = [recording, "--trace", "2", *EXPON]
    text = said(*one, "--scale", "--profile", "tau,scale", "--bootstrap", "6", "--out", str(out))
    found = result(out)
    low, high = found["profiles"]["tau"]["interval95"]
    assert low < 5 < high
    assert set(found["profiles"]) == {"tau", "scale"}
    assert np.shape(found["bootstrap"]["samples"]) == (6, 2)
    assert "Profile of tau: " in text
    assert "Bootstrap of 6 draws of blocks of " in text
    pytest.importorskip("matplotlib")
    said(*one, "--scale", "--profile", "tau", "--plot", str(picture), "--starts", "1")
    assert picture.stat().st_size > 10_000


def test_kernels_are_compared(said, recording, tmp_path):
    """Each frees its own parameters, or those that are named."""
    out = tmp_path / "compared.json"
    options = ["--spikes", "4", "--scale", "--starts", "2"]
    text = said(recording, *options, "--kernel", "alpha,expon", "--out", str(out))
    found = result(out)
    assert found["names"] == ["expon", "alpha"]
    assert [fit["kernel"] for fit in found["fits"]] == ["expon", "alpha"]
    assert found["fits"][0]["params"]["tau"] == pytest.approx(5, rel=0.02)
    assert "expon is the most likely of them" in " ".join(text.split())
    assert "The most likely:" in text
    said(recording, *options, "--kernel", "dual_expon,expon", "--free", "tau,tau_decay", "--set", "tau_rise=0.5",
         "--out", str(out))  # fmt: skip
    found = result(out)
    rising = next(fit for fit in found["fits"] if fit["kernel"] == "dual_expon")
    assert rising["params"]["tau_rise"] == 0.5
    assert rising["free"] == ["tau_decay", "scale"]


def test_a_sum_is_fitted_as_one(said, tmp_path):
    """And compared with its part: each name is that of the part, or of the relative conductance."""
    times = np.arange(0, 60, 0.25)
    age = np.maximum(times - 4, 0)
    current = np.where(times >= 4, -30 * (np.exp(-age / 2) + 0.3 * np.exp(-age / 20)), 0.0)
    current += 0.3 * np.random.default_rng(0).normal(size=times.size)
    path, out = tmp_path / "two.csv", tmp_path / "fit.json"
    np.savetxt(path, np.column_stack([times, current]), delimiter=",", header="time_ms,i_pA", comments="")
    options = ["--spikes", "4", "--scale", "--starts", "4", "--out", str(out)]
    text = said(str(path), "--kernel", "expon,expon+expon", "--set", "expon.tau=5", *options)
    found = result(out)
    assert found["names"] == ["expon+expon", "expon"]
    taus = [found["fits"][0]["params"][name] for name in ("expon1_tau", "expon2_tau")]
    np.testing.assert_allclose(sorted(taus), [2, 20], rtol=0.1)
    assert found["fits"][0]["free"] == ["expon1_tau", "g_expon2", "expon2_tau", "scale"]
    assert "expon+expon is the most likely of them" in " ".join(text.split())


def test_options_for_some_of_the_kernels(said, recording, tmp_path):
    """Bounds, ties and profiles go to the kernels that have what they name, and a line says to which."""
    out, picture = tmp_path / "compared.json", tmp_path / "compared.png"
    pytest.importorskip("matplotlib")
    text = said(
        recording, "--trace", "2", "--kernel", "expon,dual_expon", "--spikes", "4", "--scale", "--starts", "2",
        "--bounds", "expon.tau=4:9", "tau_decay=1:50", "--tie", "tau_rise=tau_decay", "--profile", "scale,tau_decay",
        "--bootstrap", "3", "--out", str(out), "--plot", str(picture),
    )  # fmt: skip
    some = ("--tie tau_rise: dual_expon", "--bounds tau: expon", "--bounds tau_decay: dual_expon")
    assert f"for some    {'; '.join(some)}; --profile tau_decay: dual_expon\n" in text
    found = {fit["kernel"]: fit for fit in result(out)["fits"]}
    assert found["expon"]["params"]["tau"] == pytest.approx(5, rel=0.02)
    assert found["dual_expon"]["params"]["tau_rise"] == found["dual_expon"]["params"]["tau_decay"]
    assert set(found["expon"]["profiles"]) == {"scale"}
    assert set(found["dual_expon"]["profiles"]) == {"scale", "tau_decay"}
    best, other = result(out)["fits"]
    assert "bootstrap" in best
    assert "bootstrap" not in other
    assert f"of {best['kernel']} alone, the most likely" in text
    assert "Of dual_expon:\nProfile of tau_decay: " in text
    assert picture.stat().st_size > 10_000


def test_sigma(said, recording, tmp_path):
    """A number changes nothing, and that is said; a column, a file and a number for each column do."""
    out, own = tmp_path / "fit.json", tmp_path / "sigma.csv"
    sigma = np.where(TIMES > 10, 100.0, 1.0)
    own.write_text("time_ms,error\n" + "".join(f"{t},{s}\n" for t, s in zip(TIMES, sigma, strict=True)))
    table = tmp_path / "with.csv"
    rows = zip(TIMES, TRACES[0] + (TIMES > 10), sigma, strict=True)
    table.write_text("time_ms,i_pA,error\n" + "".join(f"{t},{i:.6f},{s}\n" for t, i, s in rows))

    def tau(*options):
        text = said(*options, *EXPON, "--scale", "--from", "2", "--starts", "1", "--out", str(out))
        return result(out)["params"]["tau"], text

    plain, _ = tau(str(table))
    same, text = tau(str(table), "--sigma", "2.5")
    assert same == plain
    assert "sigma       2.5 pA throughout: the fit is the same without it, as only ratios count\n" in text
    by_column, text = tau(str(table), "--sigma", "error")
    assert by_column == pytest.approx(5, rel=0.05)
    assert abs(plain - 5) > 0.5
    assert f"columns error of {table}" in text
    assert tau(str(table), "--sigma", str(own))[0] == by_column
    each = [tau(recording, "--trace", "2,3", "--sigma", given)[0] for given in ("1,100", "100,1")]
    expected = [tau(recording, "--trace", column)[0] for column in "23"]
    np.testing.assert_allclose(each, expected, rtol=1e-3)


def test_a_tie(said, recording, tmp_path):
    out = tmp_path / "fit.json"
    said(recording, "--kernel", "dual_expon", "--spikes", "4", "--free", "tau_decay", "--tie", "tau_rise=tau_decay",
         "--scale", "--starts", "2", "--out", str(out))  # fmt: skip
    found = result(out)["params"]
    assert found["tau_rise"] == found["tau_decay"]


# What is wrong


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "Command fit needs a recording or --sample, one of the two."),
        (["FILE", "--sample"], "Command fit needs a recording or --sample, one of the two."),
        (["FILE", "--free", "tau"], "Command fit needs --spikes, such as --spikes 3.0."),
        (["FILE", "--spikes", "4"], "Command fit needs --free, such as --free alpha,beta,T_dur."),
        (["nowhere.csv", *EXPON], "There is no file nowhere.csv."),
        (
            ["FILE", *EXPON, "--kernel", "nmda"],
            "There is no kernel 'nmda' (did you mean nmda5?): there are alpha, ampa",
        ),
        (["FILE", *EXPON, "--time", "t"], "has no column 't': it has 4, time_ms, first_pA, second_pA, note."),
        (["FILE", *EXPON, "--trace", "5"], "has no column '5': it has 4"),
        (["FILE", *EXPON, "--time", "*_pA"], "Option --time needs one column, but *_pA means 2."),
        (["FILE", *EXPON, "--trace", "note"], "must have a number in column 4, but has 'x'."),
        (
            ["FILE", *EXPON, "--spikes", "4,x"],
            "Option --spikes must be times in ms, such as 3.0,17.5, but is '4,x'.",
        ),
        (["FILE", *EXPON, "--free", "beta"], "Kernel expon has no parameter 'beta': it has tau."),
        (["FILE", *EXPON, "--free", ","], "Option --free must be names of parameters, but is ','."),
        (["FILE", *EXPON, "--spikes", "40"], "must lie before the end of the recording, 23.8 ms, but has 40.0."),
        (
            ["FILE", *EXPON, "--bounds", "tau=3"],
            "Option --bounds needs NAME=LOW:HIGH, such as tau=0.1:2, but got 'tau=3'.",
        ),
        (["FILE", *EXPON, "--bounds", "tau=a:b"], "Option --bounds needs NAME=LOW:HIGH"),
        (["FILE", *EXPON, "--bounds", "T=1:2"], "Option --bounds must name what is fitted, tau, but has 'T'."),
        (["FILE", *EXPON, "--from", "99"], "Options --from, --from-sample and --to leave none of the 120 samples."),
        (["FILE", *EXPON, "--from-sample", "-1"], "Option --from-sample must be 0 or more, but is -1."),
        (["FILE", *EXPON, "--from", "1", "--from-sample", "2"], "Option --from-sample excludes --from."),
        (["FILE", *EXPON, "--starts", "0"], "Argument `starts` must be a positive whole number, but is 0."),
        (["FILE", *EXPON, "--loss", "huber"], "must be linear or soft_l1, but is 'huber'"),
        (["FILE", *EXPON, "--set", "tau=-1"], "Parameter `tau` must be positive and finite, but has the value -1.0."),
        (["FILE", *EXPON, "--out", "fit.txt"], "Option --out needs a file in .json, but got fit.txt."),
        (["FILE", *EXPON, "--plot", "fit.gif"], "Option --plot needs a file in .png or .pdf or .svg, but got fit.gif."),
    ],
)
def test_complaints(complaint, recording, arguments, expected):
    assert expected in complaint(*(recording if argument == "FILE" else argument for argument in arguments))


def test_header_of_another_length(tmp_path):
    path = tmp_path / "bad.csv"
    path.write_text("a,b,c\n0,1\n1,2\n")
    with pytest.raises(UsageError, match="must have 2 columns, as the rows have, but has 3"):
        samples.read(path, "1", "2")
