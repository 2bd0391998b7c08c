"""The folder of compiled functions: a command reads what an earlier one has compiled, in processes of their own."""

import os
import subprocess
import sys
import time

import pytest

from synkin.cli import compiled

COMMAND = ["simulate", "--sample", "--duration", "30"]
SET_BY_TESTS = ("JAX_COMPILATION_CACHE_DIR", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS")


@pytest.fixture
def caches(tmp_path):
    """The user's folder of caches."""
    return tmp_path / "caches"


def started(*words, **variables):
    """What the program prints, with a line of the log of JAX for each function that it compiles or reads."""
    surroundings = {name: value for name, value in os.environ.items() if name not in SET_BY_TESTS} | variables
    command = [sys.executable, "-m", "synkin", *words]
    return subprocess.run(command, env=surroundings, capture_output=True, text=True, check=True)


def logged(*words, **variables):
    """How many functions were compiled or read, and how many of them read."""
    log = started(*words, JAX_LOG_COMPILES="1", **variables).stderr
    return log.count("Finished XLA compilation"), log.count("Persistent compilation cache hit")


def kept(caches):
    return sorted(path.name for path in (caches / "synkin" / "compiled").glob("*"))


def quiet(*words, **variables):
    """A command that prints its summary and nothing else."""
    done = started(*words, **variables)
    assert done.stdout.startswith("kernel      ampa\n")
    assert done.stderr == ""


def test_second_time_compiles_nothing_and_a_damaged_file_is_replaced(caches):
    number, read = logged(*COMMAND)
    assert number > read == 0
    names = kept(caches)
    assert len(names) == number
    assert logged(*COMMAND) == (number, number)
    # Cut short, empty, or not what it was: the command goes on, and the next one finds it whole.
    for path, damage in zip((caches / "synkin" / "compiled").iterdir(), (b"", b"damaged", None, None), strict=False):
        path.write_bytes(path.read_bytes()[:-9] if damage is None else damage)
    quiet(*COMMAND)
    assert kept(caches) == names
    assert logged(*COMMAND) == (number, number)


@pytest.mark.parametrize(
    ("command", "most"), [(COMMAND, 2), pytest.param(["fit", "--sample", "--starts", "1"], 3, marks=pytest.mark.wide)]
)
def test_few_functions_are_compiled(command, most):
    """Each takes a while, however small it is: the constants of a jitted function are not compiled by themselves."""
    assert 1 <= logged(*command, "--no-cache")[0] <= most


@pytest.mark.wide
def test_what_keeps_nothing(caches, tmp_path):
    """--no-cache, what the user has set for JAX, and a library in a program."""
    theirs = tmp_path / "theirs"
    for options, variables in (
        (["--no-cache"], {}),
        (["--no-cache"], {"JAX_COMPILATION_CACHE_DIR": str(theirs), "JAX_ENABLE_COMPILATION_CACHE": "true"}),
        ([], {"JAX_ENABLE_COMPILATION_CACHE": "false"}),
    ):
        number, read = logged(*COMMAND, *options, **variables)
        assert number > read == 0
        assert not caches.exists()
        assert not theirs.exists()
    limit = {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    quiet(*COMMAND, JAX_COMPILATION_CACHE_DIR=str(theirs), **limit)
    assert list(theirs.iterdir())
    assert not caches.exists()
    program = "from synkin.__main__ import main\nmain(['simulate', '--sample', '--duration', '30'])"
    surroundings = {name: value for name, value in os.environ.items() if name not in SET_BY_TESTS}
    subprocess.run([sys.executable, "-c", program], env=surroundings, check=True, capture_output=True)
    assert not caches.exists()


def test_folder_that_cannot_be_written(caches):
    """A file in its place, or no home: no error, and nothing is printed."""
    caches.mkdir()
    (caches / "synkin").write_text("mine")
    quiet(*COMMAND)
    assert (caches / "synkin").read_text() == "mine"
    quiet(*COMMAND, XDG_CACHE_HOME="", HOME="")


def test_place_of_the_folder(monkeypatch):
    """As the user's system has it; none where there is no home."""
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", "/home/me")
    for system, expected in (("linux", "/home/me/.cache"), ("darwin", "/home/me/Library/Caches"), ("win32", None)):
        monkeypatch.setattr(sys, "platform", system)
        found = compiled._folder()
        assert (found and found.as_posix()) == (expected and f"{expected}/synkin/compiled")
    monkeypatch.setenv("LOCALAPPDATA", "/users/me/local")
    assert compiled._folder().as_posix() == "/users/me/local/synkin/compiled"
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert compiled._folder().as_posix() == "/caches/synkin/compiled"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "")
    assert compiled._folder() is None


def test_oldest_files_are_deleted(tmp_path, monkeypatch):
    """Of a folder that is too large, until it is not; other files stay."""
    monkeypatch.setattr(compiled, "_LARGEST", 25)
    now = time.time()
    for name, age in (("c-cache", 1), ("a-cache", 4), ("d-cache", 0), ("b-cache", 3), ("notes", 9)):
        (tmp_path / name).write_bytes(bytes(10))
        os.utime(tmp_path / name, (now - age, now - age))
    compiled._shrink(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c-cache", "d-cache", "notes"]
    compiled._shrink(tmp_path / "none")


def test_flags_of_xla_that_the_user_has_set_stay(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--theirs=1")
    compiled.small_loops_into_one_function()
    assert os.environ["XLA_FLAGS"] == "--theirs=1"
    monkeypatch.delenv("XLA_FLAGS")
    compiled.small_loops_into_one_function()
    assert os.environ["XLA_FLAGS"] == f"--xla_backend_extra_options={compiled._SMALL_LOOPS}"
