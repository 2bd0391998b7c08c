"""Files that are written whole or not at all, and a program that ends without a traceback."""

import os
import resource
import signal
import subprocess
import sys
import threading

import pytest

from synkin import interrupts
from synkin.recordings import writing


@pytest.mark.parametrize("before", [None, b"before"])
def test_a_disk_that_is_full(tmp_path, before):
    """The system takes no file above 1 KB, as a full disk would."""
    path, limits = tmp_path / "a.json", resource.getrlimit(resource.RLIMIT_FSIZE)
    if before:
        path.write_bytes(before)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"), writing.replacing(path) as file:
            file.write(b"x" * 4096)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [entry.read_bytes() for entry in tmp_path.iterdir()] == ([before] if before else [])


def test_links_permissions_and_pipes(tmp_path):
    path, link, pipe, new = (tmp_path / name for name in ("a" * 250, "link", "pipe", "new"))
    path.write_bytes(b"before")
    path.chmod(0o640)
    link.symlink_to(path)
    with writing.replacing(link) as file:
        file.write(b"after")
    assert link.is_symlink()
    assert path.read_bytes() == b"after"
    assert path.stat().st_mode & 0o777 == 0o640
    mask = os.umask(0o027)
    with writing.replacing(new) as file:
        file.write(b"new")
    os.umask(mask)
    assert new.stat().st_mode & 0o777 == 0o640
    os.mkfifo(pipe)
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    with writing.replacing(pipe) as file:
        file.write(b"through")
    reader.join()
    assert read == [b"through"]
    assert sorted(tmp_path.iterdir()) == sorted([path, link, pipe, new])


ENDS = """
import os, signal
from synkin.recordings import writing
for number in (signal.SIGTERM, signal.SIGINT):
    child = os.fork()
    if not child:
        with writing.replacing("a.csv") as file:
            file.write(b"half")
            os.kill(os.getpid(), number)
    print(os.WTERMSIG(os.waitpid(child, 0)[1]))
"""


def test_a_signal_leaves_no_part(tmp_path):
    (tmp_path / "a.csv").write_text("before")
    done = subprocess.run([sys.executable, "-c", ENDS], cwd=tmp_path, capture_output=True, check=True)
    assert [int(word) for word in done.stdout.split()] == [signal.SIGTERM, signal.SIGINT]
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.csv"]
    assert (tmp_path / "a.csv").read_text() == "before"


def test_an_interrupt_while_synkin_is_imported():
    """JAX is imported by synkin: here it is one that takes its time, and hears Ctrl-C meanwhile."""
    code = (
        "import os, runpy, signal, sys, types\n"
        "class Slow:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'jax': os.kill(os.getpid(), signal.SIGINT); print('survived')\n"
        "sys.meta_path.insert(0, Slow())\n"
        "sys.argv[:] = {argv}\n"
        "import synkin\n"
        "synkin.ampa\n"
    )
    said = [
        subprocess.run([sys.executable, "-c", code.format(argv=argv)], capture_output=True, text=True, check=False)
        for argv in (["/usr/bin/synkin", "list"], ["analysis.py"])
    ]
    assert (said[0].returncode, said[0].stdout, said[0].stderr) == (interrupts.INTERRUPTED, "", "")
    assert "KeyboardInterrupt" in said[1].stderr  # of a program that imports it, the interrupt is its own
