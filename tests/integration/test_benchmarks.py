"""The benchmarks run, check before they time, and report what was measured. No time is judged here."""

import json

import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks import contenders, report, timing, workloads
from benchmarks.jobs import JOBS, transmitter
from benchmarks.timing import Call, Figure, Row


@pytest.fixture(autouse=True)
def few_contenders(monkeypatch):
    """Without the reference, which takes seconds to import, without "exact", and without what is long to compile."""
    monkeypatch.setattr(contenders, "reference_installed", lambda: False)
    found = contenders.runs()
    del found["synkin exact"]
    monkeypatch.setattr(contenders, "runs", lambda: found)
    monkeypatch.setattr(transmitter, "KERNELS", transmitter.KERNELS[:1])


# In processes of their own, or long to compile.
WIDE = ("devices", "cold_start", "schemes", "gradient", "long_gradient", "memory", "parallel", "parameters", "varying")


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.wide] * (name in WIDE)) for name in JOBS])
def test_a_job_runs(name, tmp_path, capsys):
    results, where, wrong = command.run([name], workloads.TINY)
    assert wrong == []
    assert results[name]
    for row in results[name]:
        assert all(np.isfinite(figure.median) and figure.median > 0 for figure in row.figures.values())
        assert "synkin" in row.figures
    report.write_json(tmp_path / "out.json", where, results, JOBS)
    content = json.loads((tmp_path / "out.json").read_text())
    kept, versions = content["jobs"][name], content["machine"]["versions"]
    assert (bool(versions["jax"]), kept["unit"]) == (True, JOBS[name].UNIT)
    assert [set(row["figures"]) for row in kept["rows"]] == [set(row.figures) for row in results[name]]
    shown = capsys.readouterr().out
    assert JOBS[name].__doc__.splitlines()[0] in shown
    assert content["machine"]["date"] in shown


@pytest.mark.wide
def test_every_kernel_and_method_is_right(monkeypatch):
    """By the textbook's equations in float64."""
    monkeypatch.undo()
    monkeypatch.setattr(contenders, "reference_installed", lambda: False)
    results, _, wrong = command.run(["readout"], workloads.TINY._replace(kernels=workloads.FULL.kernels))
    assert wrong == []
    assert [row.labels["kernel"] for row in results["readout"]] == list(workloads.FULL.kernels)
    assert all(row.figures["synkin exact"].error < 2e-5 for row in results["readout"])


def test_what_is_wrong_is_said_and_not_timed(monkeypatch, capsys):
    run = contenders.runs()["synkin"]
    monkeypatch.setattr(contenders, "runs", lambda: {"synkin": lambda *arguments: 1.001 * run(*arguments)})
    results, _, wrong = command.run(["trace", "gradient"], workloads.TINY)
    assert results == {"trace": [], "gradient": []}
    assert [message.split(" is off by ")[0] for message in wrong] == ["trace: synkin", "gradient: synkin"]
    assert capsys.readouterr().out.count("WRONG") == 2


def test_wrong_results_are_caught():
    for got in ([1.0, 2.1], [1.0, np.nan], [1.0, 2.0, 3.0]):
        calls = {"it": Call(lambda got=got: np.array(got), np.array([1.0, 2.0]))}
        with pytest.raises(timing.Wrong, match=r"^it "):
            timing.compare(calls, per=1.0, tolerance=0.01, scale=workloads.TINY)


def test_contenders_take_turns(monkeypatch):
    """With a clock of our own: a call advances it, and what one sample is divided by is its inner work."""
    now, order = [0.0], []
    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])

    def call(name, seconds):
        def run():
            order.append(name)
            now[0] += seconds
            return np.ones(2)

        return run

    calls = {"a": Call(call("a", 2.0), np.ones(2)), "b": Call(call("b", 6.0), inner=3)}
    figures = timing.compare(calls, per=10.0, tolerance=0.0, scale=workloads.TINY._replace(repeats=2))
    assert "".join(order) == "ab" + "abba"
    assert figures["a"] == Figure(20.0, (20.0, 20.0), 2, 2.0, 0.0)
    assert figures["b"] == Figure(20.0, (20.0, 20.0), 2, 6.0, None)
    five = timing.figure([1, 2, 3, 4, 50], per=2)
    assert (five.median, five.quartiles) == (6, (4, 8))


def row(kernel, synapses, theirs, ours, **options):
    figures = {"brainpy.state": Figure(theirs), "synkin": Figure(ours, (0.9 * ours, 1.1 * ours))}
    return Row({"kernel": kernel, "N": synapses}, figures, **options)


ROWS = [row("ampa", 10, 8.0, 1.0), row("ampa", 100, 4.0, 2.0), row("ampa", 1000, 9.0, 1.0, in_mean=False)]
ROWS += [row("alpha", 10, 3.0, 1.5)]


def test_means_and_table():
    """The means are geometric; the lines of the table are of one length."""
    ((name, by_key),) = report.means(ROWS).items()
    assert name == "brainpy.state/synkin"
    assert by_key == pytest.approx({"ampa": 4.0, "alpha": 2.0, "all": (8 * 2 * 2) ** (1 / 3)})
    table = report.Table()
    head, first, *rest = [line for row in ROWS for line in table.lines(row)]
    assert head.split() == ["kernel", "N", "brainpy.state", "synkin", "brainpy.state/synkin"]
    assert first.split() == ["ampa", "10", "8", "1", "±10%", "8.00"]
    assert {len(line) for line in rest} == {len(head)}


def test_the_picture(tmp_path):
    pytest.importorskip("matplotlib")
    report.plot(tmp_path / "ratios.png", report.machine(), {"readout": ROWS})
    assert (tmp_path / "ratios.png").stat().st_size > 1000
    with pytest.raises(ValueError, match="several N"):
        report.plot(tmp_path / "none.png", report.machine(), {"gradient": ROWS[:1]})


def test_spikes_and_parameters_are_the_same_in_every_run():
    assert np.array_equal(workloads.spikes(1000, 50), workloads.spikes(1000, 50))
    assert np.mean(workloads.spikes(1000, 1000)) == pytest.approx(workloads.RATE, rel=0.1)
    T_dur = workloads.scattered_params("ampa", 100).T_dur
    assert np.array_equal(T_dur, np.round(T_dur / workloads.DT) * workloads.DT)
    assert T_dur.min() > 0
    # That of GABA-A is ampa's.
    assert workloads.distinct(workloads.FULL.kernels) == ["ampa", "bionmda", "alpha"]


def test_a_wrong_result_makes_the_command_fail(monkeypatch):
    for wrong, status in ((["trace: wrong"], 1), ([], 0)):
        monkeypatch.setattr(command, "run", lambda names, scale, wrong=wrong: ({}, {}, wrong))
        assert command.main(["--quick", "--only", "trace"]) == status


@pytest.mark.wide
def test_the_networks_of_all_contenders_fire_alike(capsys):
    """In small: those that are here run, and their rates are alike, as one delay for all changes little."""
    from benchmarks.networks.__main__ import main

    main(["--sizes", "500", "--brunel", "500", "--ms", "200", "--repeats", "1"])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("   ")]
    rates = {}
    for line in lines:
        name, *numbers = line.rsplit(maxsplit=5)
        if len(numbers) == 5 and numbers[-1].replace(".", "").isdigit():
            rates.setdefault(name.strip(), []).append(float(numbers[-1]))
    assert {"synkin", "BCOO"} <= set(rates)
    for name in ("BCOO", "brainevent"):
        if name in rates:
            np.testing.assert_allclose(rates[name], rates["synkin"], rtol=0.1)
