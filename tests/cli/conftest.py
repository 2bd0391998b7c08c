"""What the tests of the command line share."""

import pytest

from synkin.__main__ import main


@pytest.fixture(autouse=True)
def own_cache_folder(tmp_path, monkeypatch):
    """No command that a test starts writes into the user's folder of caches."""
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "caches"))


@pytest.fixture
def file(tmp_path):
    """Writes a file, returns its path."""

    def write(name, text):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    return write


@pytest.fixture
def train(file):
    """Writes a file of spike times, returns its path."""
    return lambda text: file("train.csv", text)


@pytest.fixture
def said(capsys):
    """What main prints for arguments that it accepts, and warns of nothing."""

    def run(*arguments):
        assert main([*map(str, arguments)]) == 0
        captured = capsys.readouterr()
        assert captured.err == ""
        return captured.out

    return run


@pytest.fixture
def complaint(capsys):
    """The one sentence that main ends with for arguments that it does not accept."""

    def run(*arguments):
        assert main([*map(str, arguments)]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.endswith(".\n")
        assert captured.err.count("\n") == 1
        return captured.err.strip()

    return run
