"""Numbers in text are those that people write, wherever text is read."""

import numpy as np
import pytest

import synkin
from synkin.__main__ import main
from synkin.recordings import number_text, table

NONE = ["1_0", "\uff11\uff12", "\u0661", "0x10", "1e", "e5", ".", "", "1,5", "1 0", "--1", "one", "1e1_0"]


@pytest.mark.parametrize("text", NONE)
def test_what_is_no_number(text):
    for read in (number_text.decimal, number_text.decimal_or_not_finite, number_text.whole):
        with pytest.raises(ValueError, match="number"):
            read(text)


def test_numbers():
    for text in ("0", "-0.5", "+5", "5.", ".5", "1e3", "2.5E-3", " 7 ", "1e999"):
        assert number_text.decimal(text) == number_text.decimal_or_not_finite(text) == float(text)
    assert number_text.whole("-12") == -12
    for text in ("nan", "inf", "-Infinity", "NaN"):
        np.testing.assert_equal(number_text.decimal_or_not_finite(text), float(text))
        with pytest.raises(ValueError, match="number"):
            number_text.decimal(text)


@pytest.mark.parametrize("number", ["1_0", "\uff11\uff10"])
@pytest.mark.parametrize(
    "command",
    [
        "simulate spikes.csv --dt {}",
        "simulate spikes.csv --duration {}",
        "simulate spikes.csv --set T_dur={}",
        "fit --sample --bounds beta=0.1:{}",
        "fit --sample --spikes {}",
        "fit --sample --starts {}",
        "fit --sample --window 1:{}",
        "fit --sample --sigma {}",
        "fit --sample --sweeps 0:{}",
        "measure --sample --window 1:{}",
        "simulate numbers.csv",
    ],
)
def test_no_option_and_no_table_takes_python_s_own_numbers(command, number, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spikes.csv").write_text("3.0\n")
    (tmp_path / "numbers.csv").write_text(f"1\n{number}\n", encoding="utf-8")
    try:
        status = main(command.format(number).split())
    except SystemExit as exit_:
        status = exit_.code
    assert status not in (0, None)
    assert number in capsys.readouterr().err


@pytest.mark.parametrize("number", ["1_0", "0x10", "1_0*2"])
def test_nor_does_the_text_of_a_scheme(number):
    with pytest.raises(ValueError, match="must have a rate of names and numbers"):
        synkin.scheme(f"C + glu <-> O : {number}*kon, koff", open="O", kon=5.0, koff=0.1)


def test_decimal_commas_of_a_recording(tmp_path):
    for separator, name in ((";", "semicolons"), ("\t", "tabs")):
        path = tmp_path / "commas.csv"
        path.write_text(f"0,1{separator}2,5\n0,2{separator}2,6\n")
        with pytest.raises(ValueError, match=rf"must have one separator between its numbers, but has .*{name}"):
            table.columns(table.head(path), [table.Column(0)])
    path.write_text("t;a, b\n0.1;2.5\n")  # a comma in a name is none
    with pytest.raises(ValueError, match="header"):
        table.head(path)
