"""Whatever is wrong is said in one sentence: what was expected and what came. The sentences are in the text files."""

from pathlib import Path

import pytest

from tests.messages import corpus


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the files of command_line.txt lie."""
    found = tmp_path_factory.mktemp("messages")
    for name, text in corpus.files().items():
        (found / name).write_text(text)
    return found


@pytest.mark.parametrize("row", corpus.rows(), ids=str)
def test_one_sentence(row, folder, monkeypatch):
    """As it is written there; and nothing is left behind."""
    monkeypatch.chdir(folder)
    said = corpus.say(row.code)
    assert corpus.matches(row.said, said), said
    assert corpus.is_sentence(row, said), said
    assert {path.name: path.read_text() for path in Path().iterdir()} == corpus.files()


def test_a_sentence_that_is_another_is_seen():
    """Else the test above could not fail."""
    assert corpus.matches("TypeError: `x` must be a float..., but is 1.", "TypeError: `x` must be a float32, but is 1.")
    assert not corpus.matches("TypeError: `x` must be a float...", "ValueError: `x` must be a float32")
    assert not corpus.matches("`x` must be 1.", "`x` must be 11")
    assert corpus.say(">>> 1 + 1") == "Nothing is raised."
    assert corpus.say("$ synkin list").startswith("Exit status")
    assert len({row.code for row in corpus.rows()}) == len(corpus.rows()) > 500
