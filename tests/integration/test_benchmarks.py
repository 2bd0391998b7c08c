"""The benchmarks run, check before they time, and report what was measured. No time is judged here."""

import json

import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks import accelerator, against, contenders, report, timing, workloads
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
WIDE = (
    "devices",
    "cold_start",
    "schemes",
    "gradient",
    "long_gradient",
    "memory",
    "parallel",
    "parameters",
    "readout",
    "varying",
)


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.wide] * (name in WIDE)) for name in JOBS])
def test_a_job_runs(name, tmp_path, capsys):
    results, where, wrong = command.run([name], workloads.TINY)
    assert wrong == []
    assert results[name]
    for row in results[name]:
        assert all(np.isfinite(figure.median) and figure.median > 0 for figure in row.figures.values())
        assert "synkin" in row.figures
    written = report.content(where, results, {name: JOBS[name].UNIT})
    report.write_json(tmp_path / "out.json", written)
    content = json.loads((tmp_path / "out.json").read_text())
    assert content == written
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


@pytest.mark.parametrize("name", ["trace", pytest.param("gradient", marks=pytest.mark.wide)])
def test_what_is_wrong_is_said_and_not_timed(name, monkeypatch, capsys):
    run = contenders.runs()["synkin"]
    monkeypatch.setattr(contenders, "runs", lambda: {"synkin": lambda *arguments: 1.001 * run(*arguments)})
    results, _, wrong = command.run([name], workloads.TINY)
    assert results == {name: []}
    assert [message.split(" is off by ")[0] for message in wrong] == [f"{name}: synkin"]
    assert capsys.readouterr().out.count("WRONG") == 1


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


MACHINE = {"date": "2026-01-01", "processor": "A", "threads": 2, "versions": {"jax": "0.10.2", "synkin": "0.1"}}


def earlier(jobs, **machine):
    """What a JSON file holds, of figures by column by row by job: the median, or it with both quartiles."""

    def cell(numbers):
        median, *quartiles = np.atleast_1d(numbers).tolist()
        return {"median": median, "quartiles": quartiles or None}

    return {
        "machine": MACHINE | machine,
        "jobs": {
            job: {
                "unit": "MB" if job == "memory" else "ns",
                "rows": [
                    {"kernel": kernel, "N": 10, "figures": {column: cell(numbers) for column, numbers in row.items()}}
                    for kernel, row in rows.items()
                ],
            }
            for job, rows in jobs.items()
        },
    }


def test_what_got_slower_is_beyond_noise_and_the_worst_comes_first():
    columns = {
        # before, now
        "much": ((10, 9.9, 10.1), (20, 19, 21)),
        "somewhat": ((10, 9.9, 10.1), (11, 10.9, 11.1)),
        "4 %": ((10, 9.9, 10.1), (10.4, 10.3, 10.5)),
        "within the quartiles of before": ((10, 8, 12), (11.5, 11.4, 11.6)),
        "within the quartiles of now": ((10, 9.9, 10.1), (12, 9.8, 14)),
        "faster": ((10, 9.9, 10.1), (5, 4.9, 5.1)),
        "without quartiles": (10, 10.6),
        "limit": (1, 3),  # not synkin's
    }
    before, now = (earlier({"trace": {"ampa": {name: pair[i] for name, pair in columns.items()}}}) for i in (0, 1))
    found = against.compare(before, now)
    assert [(each.column, each.ratio) for each in found.slower] == [
        ("much", 2.0),
        ("somewhat", pytest.approx(1.1)),
        ("without quartiles", pytest.approx(1.06)),
    ]
    assert (found.differences, found.missing, found.left_out, found.compared) == ([], [], [], 7)
    said = against.lines(found, "last.json", "2026-01-01")
    assert said[3].split() == ["2.00", "10", "20", "trace,", "kernel", "ampa,", "N", "10,", "much"]
    assert "Of 7 figures 3 got slower." in said


def test_on_another_machine_ratios_to_a_reference_are_compared():
    before = {
        "trace": {
            "ampa": {"brainpy.state": 40, "limit": 5, "synkin": 10},
            "alpha": {"limit": 5, "synkin": 10},
            "expon": {"synkin": 10},
        },
        "memory": {"ampa": {"synkin": 10}},
    }
    now = {
        "trace": {
            "ampa": {"brainpy.state": 80, "limit": 5, "synkin": 20},  # all of it twice as slow
            "alpha": {"limit": 2.5, "synkin": 10},  # twice as slow as it could be
            "expon": {"synkin": 99},
        },
        "memory": {"ampa": {"synkin": 11}},
    }
    found = against.compare(earlier(before), earlier(now, threads=8, versions={"jax": "0.12.0", "synkin": "0.2"}))
    assert found.differences == ["threads: 2 before, 8 now", "jax: 0.10.2 before, 0.12.0 now"]
    assert [(each.job, each.over, each.before, each.now) for each in found.slower] == [
        ("trace", "limit", 2.0, 4.0),
        ("memory", None, 10.0, 11.0),
    ]
    assert found.left_out == ["trace, kernel expon, N 10"]
    # The quartiles of both sides widen a ratio's.
    wide = {"trace": {"ampa": {"limit": (5, 2, 8), "synkin": 10}}}, {"trace": {"ampa": {"limit": 4, "synkin": 10}}}
    assert against.compare(earlier(wide[0]), earlier(wide[1], threads=8)).slower == []


def test_rows_and_columns_of_one_run_only_are_named_and_jobs_that_were_not_run_are_not():
    before = {
        "trace": {"ampa": {"synkin": 1, "own step": 1}, "alpha": {"synkin": 1}},
        "readout": {"ampa": {"synkin": 1}},
    }
    now = {"trace": {"ampa": {"synkin": 1}, "expon": {"synkin": 1}}}
    assert sorted(against.compare(earlier(before), earlier(now)).missing) == [
        "trace, kernel alpha, N 10: only before",
        "trace, kernel ampa, N 10, own step: only before",
        "trace, kernel expon, N 10: only now",
    ]


@pytest.mark.parametrize(
    ("took", "wrong", "slower", "status"),
    [(1.0, [], "none", 0), (2.0, [], "1", 1), (1.0, ["trace: synkin is off by 1"], "none", 1)],
)
def test_the_command_fails_if_something_is_wrong_or_got_slower(
    took, wrong, slower, status, tmp_path, monkeypatch, capsys
):
    report.write_json(tmp_path / "last.json", earlier({"trace": {"ampa": {"synkin": 1.0}}}))
    results = {"trace": [Row({"kernel": "ampa", "N": 10}, {"synkin": Figure(took)})]}
    monkeypatch.setattr(command, "run", lambda names, scale: (results, MACHINE, wrong))
    assert command.main(["--quick", "--only", "trace", "--against", str(tmp_path / "last.json")]) == status
    assert f"Of 1 figures {slower} got slower." in capsys.readouterr().out


@pytest.mark.parametrize("jobs", [("readout", "trace"), pytest.param(tuple(accelerator.JOBS), marks=pytest.mark.wide)])
def test_the_device_that_is_there_is_measured(jobs, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(accelerator, "JOBS", {name: accelerator.JOBS[name] for name in jobs})
    assert accelerator.main(["--tiny", "--json", str(tmp_path / "out.json")]) == 0
    content = json.loads((tmp_path / "out.json").read_text())
    assert content["machine"]["copy"] > 0
    assert content["machine"]["left out"] == []
    assert tuple(content["jobs"]) == jobs
    for job in content["jobs"].values():
        assert job["rows"]
        for row in job["rows"]:
            assert row["figures"]["synkin"]["median"] > 0
            assert row["figures"]["synkin"]["error"] < accelerator.OF_SLOPES
            assert ("limit" in row["figures"]) == (row["run"] != "network")
    assert "of a copy" in capsys.readouterr().out


def test_of_a_device_what_is_wrong_or_does_not_fit_is_said_and_the_rest_runs(monkeypatch, capsys):
    monkeypatch.setattr(accelerator, "JOBS", {"readout": accelerator.readout, "trace": accelerator.trace})
    results, where, wrong = accelerator.run(accelerator.TINY, 0.0)
    left_out = [f"{job}, alpha, step by step, 20, 30: no time left" for job in ("readout", "trace")]
    assert (results, where["left out"], wrong) == ({"readout": [], "trace": []}, left_out, [])

    measure, right_trace = accelerator.measure, accelerator.right_trace

    def full(case, *arguments):
        if case.bytes == 5:  # the trace
            raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory")
        return measure(case, *arguments)

    monkeypatch.setattr(accelerator, "measure", full)
    monkeypatch.setattr(accelerator, "right_trace", lambda *arguments: 1.001 * right_trace(*arguments))
    _, where, wrong = accelerator.run(accelerator.TINY, 60.0)
    assert where["left out"] == ["trace, alpha, step by step, 20, 30: no memory left"]
    assert [message.split(" is off by ")[0] for message in wrong] == ["readout, alpha, step by step, 20, 30: synkin"]
    shown = capsys.readouterr().out
    assert ("WRONG" in shown, f"Left out: {where['left out'][0]}" in shown) == (True, True)


def test_all_synapses_of_a_device_have_the_spikes_of_those_that_differ():
    width, spikes = accelerator.spikes_of(accelerator.TINY, 20, 30)
    assert (width, spikes.shape) == (10, (30, 20))
    assert np.array_equal(spikes[:, :10], spikes[:, 10:])
    assert not np.array_equal(spikes[:, :5], spikes[:, 5:10])


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
