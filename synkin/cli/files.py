"""Files that a command writes, and sentences about files that it cannot read or write."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from synkin.cli import UsageError, usage_errors
from synkin.recordings import writing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The formats of pictures.
_PICTURES = (".png", ".pdf", ".svg")


class Outputs:
    """The files that --out, --plot and --report name: checked before the command computes, and written after that."""

    def __init__(
        self,
        arguments: argparse.Namespace,
        suffixes: Sequence[str] = (),
        *,
        keep: Sequence[Path] = (),
        size: tuple[float, float] = (9.0, 5.0),
    ) -> None:
        """Check the files, and make an empty figure if there is a --plot.

        Args:
            arguments: the parsed command line.
            suffixes: those that --out may have.
            keep: the files that are read, which must not be overwritten.
            size: of the figure, in inches.

        Raises:
            UsageError: see `check_output`, or matplotlib is not installed.
        """
        self.out: Path | None = getattr(arguments, "out", None)
        self.picture: Path | None = arguments.plot
        self.report: Path | None = getattr(arguments, "report", None)
        if self.out:
            check_output("--out", self.out, suffixes, keep=keep)
        if self.picture:
            check_output("--plot", self.picture, _PICTURES, keep=keep)
        if self.report:
            check_output("--report", self.report, (".html",), keep=keep)
        if self.picture or self.report:
            from synkin import plot

            with usage_errors():
                self.figure = plot.figure(*size)
        self._size, self._pictures = size, [self.picture] if self.picture else []
        self._keep, self._beside = keep, list[Path]()

    def write(self, text: str) -> None:
        """Write --out, which must have been given.

        Raises:
            UsageError: the file cannot be written.
        """
        assert self.out is not None
        with replacing(self.out) as file:
            file.write(text.encode())

    def write_beside(self, name: str, text: str) -> None:
        """Write a further table beside --out, which must have been given, with ``name`` in its own name.

        Raises:
            UsageError: the file cannot be written, or is one that is read.
        """
        assert self.out is not None
        path = beside(self.out, name)
        check_output("--out", path, (path.suffix.lower(),), keep=self._keep)
        with replacing(path) as file:
            file.write(text.encode())
        self._beside.append(path)

    def write_report(self, html: str) -> None:
        """Write --report, which must have been given.

        Raises:
            UsageError: the file cannot be written.
        """
        assert self.report is not None
        with replacing(self.report) as file:
            file.write(html.encode())

    def draw(self, draw: Callable[[Figure], None], name: str = "") -> None:
        """Draw and write --plot, which must have been given, with ``name`` in its own name.

        Raises:
            UsageError: the file cannot be written.
        """
        from synkin import plot

        assert self.picture is not None
        self.figure, path = plot.figure(*self._size), self.picture
        if name:
            self._pictures = [each for each in self._pictures if each != path]
            self.picture = path.with_name(f"{path.stem}_{name.replace(os.sep, '_')}{path.suffix}")
            self._pictures.append(self.picture)
        draw(self.figure)
        self.save_figure()
        self.picture = path

    def save_figure(self, *, tight: bool = False) -> None:
        """Write --plot, which must have been given; cut to what is drawn if ``tight``.

        Raises:
            UsageError: the file cannot be written.
        """
        assert self.picture is not None
        with replacing(self.picture) as file:
            box = "tight" if tight else None
            self.figure.savefig(file, format=self.picture.suffix[1:].lower(), bbox_inches=box)

    def written(self) -> list[str]:
        """The files, for the summary."""
        return [str(path) for path in (self.out, *self._beside, *self._pictures, self.report) if path]


def beside(path: Path, name: str) -> Path:
    """The file beside another one with ``name`` in its own name."""
    return path.with_name(f"{path.stem}_{name}{path.suffix}")


def check_output(option: str, path: Path, suffixes: Sequence[str], *, keep: Sequence[Path] = ()) -> None:
    """Check that a file can be written at ``path``, so that a long run does not fail at its end.

    Args:
        option: the option that names the file, for the message.
        path: the file.
        suffixes: those that the file may have.
        keep: files that must not be overwritten: those that are read.

    Raises:
        UsageError: another suffix, a folder that does not exist or cannot be written to, a protected file, or ``keep``.
    """
    if path.suffix.lower() not in suffixes:
        raise UsageError(f"Option {option} needs a file in {' or '.join(suffixes)}, but got {path}.")
    folder = path.resolve().parent
    if not folder.is_dir():
        raise UsageError(f"The folder of {option} {path} does not exist.")
    if path.is_dir():
        raise UsageError(f"Option {option} needs a file, but {path} is a folder.")
    if not os.access(folder, os.W_OK):
        raise UsageError(f"The folder of {option} {path} cannot be written to.")
    if path.exists() and not os.access(path, os.W_OK):
        raise UsageError(f"Option {option} needs a file that can be written, but {path} is protected.")
    for read in keep:
        if path.exists() and read.exists() and path.samefile(read):
            raise UsageError(f"Option {option} would overwrite {read}, which is read.")


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """As `synkin.recordings.writing.replacing`, with a sentence if the file cannot be written.

    Raises:
        UsageError: the file cannot be written.
    """
    try:
        with writing.replacing(path) as file:
            yield file
    except OSError as error:
        raise UsageError(f"File {path} cannot be written: {error.strerror}.") from None
