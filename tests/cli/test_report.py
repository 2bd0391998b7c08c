"""The page of --report: complete in itself, and with all that was found."""

import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import synkin
from synkin.__main__ import main

pytest.importorskip("matplotlib", reason="pictures need matplotlib: the extra `plot`")

VOID = {"meta", "br", "link", "img", "input", "hr"}


class Checked(HTMLParser):
    """A page, whose elements must be nested, and what a test asks of it."""

    def __init__(self, path):
        super().__init__()
        self.open, self.ids, self.loaded, self.found, self.text = [], [], [], {}, ""
        self.source = Path(path).read_text(encoding="utf-8")
        self.feed(self.source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, given):
        given = dict(given)
        self.found[tag] = self.found.get(tag, 0) + 1
        self.ids += [given["id"]] if "id" in given else []
        self.loaded += [given[name] for name in ("src", "href", "xlink:href") if name in given]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, given):
        self.handle_starttag(tag, given)
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data if not {"style", "script"} & set(self.open) else ""

    def jsons(self):
        found = re.findall(r"The result as JSON</summary><button[^>]*>Copy</button><pre>(.*?)</pre>", self.source, re.S)
        return [json.loads(html.unescape(text)) for text in found]


def page(path="page.html"):
    """The page; nothing in it leads elsewhere, and no two of its elements have one name."""
    found = Checked(path)
    assert all(target.startswith(("#", "data:")) for target in found.loaded), found.loaded
    assert len(set(found.ids)) == len(found.ids)
    assert re.findall(r"url\((?!#)[^)]*\)|@import|https?://(?!www\.w3\.org/)", found.source) == []
    assert f"synkin {synkin.__version__}, Python 3." in found.text
    return found


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def recording(name, tau=5.0):
    times = np.arange(300) / 10
    noise = np.random.default_rng(0).normal(0, 0.1, 300)
    trace = -20 * np.where(times >= 5, np.exp(-(times - 5) / tau), 0) + noise
    np.savetxt(name, np.column_stack([times, trace]), "%.8g", ",", header="time_ms,i_pA", comments="")
    return name


FIT = ["--spikes", "5", "--free", "tau", "--scale", "--starts", "1", "--report", "page.html"]


def test_fit_and_comparison():
    recording("a <b> & c.csv")
    assert main(["fit", "a <b> & c.csv", "--kernel", "expon", *FIT, "--out", "fit.json"]) == 0
    found = page()
    assert "fit 'a <b> & c.csv' --kernel expon --spikes 5 " in found.text
    assert (found.found["svg"], found.found["table"]) == (1, 1)
    (content,) = found.jsons()
    assert content == json.loads(Path("fit.json").read_text())
    assert f"expon: {content['message']}" in found.text
    for word in ("residual (pA)", "tau", "standard error", f"{content['params']['tau']:.6g}"):
        assert word in found.text
    assert main(["fit", "a <b> & c.csv", "--kernel", "expon,alpha", *FIT]) == 0
    found = page()
    assert found.found["svg"] == 3  # both, and each with its residuals
    assert found.text.count("residual (pA)") == 2


def test_several_files_of_which_one_fails():
    recording("a.csv")
    recording("b.csv", 8.0)
    assert main(["measure", "a.csv", "b.csv", "none.csv", "--baseline", "0:4", "--report", "page.html"]) == 1
    found = page()
    assert found.found["svg"] == 2
    assert found.found["table"] == 4  # what failed, all files, and each
    assert "There is no file none.csv." in found.text
    assert [round(content["sweeps"][0]["tau_ms"]) for content in found.jsons()] == [5, 8]


def test_events_simulate_and_info(capsys):
    recording("a.csv")
    for words in (
        ["events", "a.csv", "--kernel", "expon"],
        ["info", "a.csv"],
        ["simulate", "--sample", "--duration", "200"],
        ["measure", "a.csv"],
    ):
        assert main([*words, "--report", "page.html"]) == 0
        found = page()
        pictures = 3 if words[0] == "events" else 1  # each event, and their average and histograms, too
        assert (found.found["svg"], found.found["table"], len(found.jsons())) == (pictures, 1, 1)
        assert re.search(r"written +page\.html\n", capsys.readouterr().out)
    assert main(["simulate", "--sample", "--duration", "200", "--out", "g.npz", "--report", "page.html"]) == 0
    (content,) = page().jsons()
    with np.load("g.npz") as written:
        np.testing.assert_allclose(content["g_mS"], written["g_mS"], rtol=1e-6)


def test_warnings_stand_in_the_page(capsys):
    times = np.arange(300) / 10
    np.savetxt("a.csv", np.column_stack([times, -60 + np.exp(-times / 9)]), "%.8g", ",", header="t,v_mV", comments="")
    assert main(["measure", "a.csv", "--report", "page.html"]) == 0
    said = capsys.readouterr().err.removeprefix("Warning: ").strip().removesuffix(".")
    assert said in page().text


def test_colours_are_those_of_the_page():
    """A picture has no black and no white of its own, which a dark or a light page would hide."""
    recording("a.csv")
    assert main(["fit", "a.csv", "--kernel", "expon", *FIT]) == 0
    (svg,) = re.findall(r"<svg.*?</svg>", Path("page.html").read_text(), re.S)
    assert not re.search(r"#000000|#ffffff|\bblack\b|\bwhite\b", svg)
    assert "var(--ink)" in svg


def test_refused(complaint):
    recording("a.csv")
    said = complaint("measure", "a.csv", "--report", "page.pdf")
    assert said == "Option --report needs a file in .html, but got page.pdf."
