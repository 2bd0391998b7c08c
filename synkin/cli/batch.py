"""One command on one recording or on many: files, folders and patterns, one table, and what failed at the end."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING

from synkin.cli import UsageError, files, options, terminal
from synkin.cli.result import Result, Row, as_csv, as_json, as_text, columns_of
from synkin.recordings import formats

if TYPE_CHECKING:
    from synkin.cli.report import Page

# The endings by which recordings are found in a folder, besides those that synkin itself reads.
_IN_FOLDERS = {*formats.READERS, ".dat", ".axgd", ".axgx", ".edr", ".ibw", ".pxp", ".smr", ".smrx", ".wcp"} - {""}
# What is added to the name of --out for the table of stimuli.
_STIMULI = "stimuli"


def run(
    arguments: argparse.Namespace, work: Callable[[Path], Result], *, size: tuple[float, float] = (9.0, 5.0)
) -> int:
    """Do a command's work on each recording, and print, write and draw what it finds.

    Args:
        arguments: the parsed command line.
        work: from a file to what the command finds in it.
        size: of pictures, in inches.

    Returns:
        The exit status: 0, or 1 if a file of several failed.

    Raises:
        UsageError: the command line is wrong; or a file is, which is the only one.
    """
    paths, several = _recordings(arguments)
    outputs = files.Outputs(arguments, (".csv", ".json"), keep=paths, size=size)
    page = _page(arguments, size) if outputs.report else None
    if several:
        return _several(arguments, dict(zip(_names(paths), paths, strict=True)), work, outputs, page)
    result = work(paths[0])
    for message in result.messages:
        options.warn(message)
    if outputs.out:
        is_json = outputs.out.suffix.lower() == ".json"
        outputs.write(as_json(result.content) if is_json else as_csv(result.table, result.columns))
        _write_stimuli(outputs, result.stimuli)
    if outputs.picture and result.draw:
        outputs.draw(result.draw)
    if page:
        page.add(paths[0].name, result)
        outputs.write_report(page.html({}))
    if getattr(arguments, "json", False):
        print(as_json(result.content), end="")
        return 0
    print(terminal.aligned([*result.rows, *(("written", path) for path in outputs.written())]))
    if result.text:
        print(f"\n{result.text}")
    return 0


def check_inputs(arguments: argparse.Namespace) -> None:
    """Check that there are files or --sample.

    Raises:
        UsageError: both, or neither.
    """
    if bool(arguments.recordings) == arguments.sample:
        raise UsageError(f"Command {arguments.command} needs a recording or --sample, one of the two.")


def _several(
    arguments: argparse.Namespace,
    paths: dict[str, Path],
    work: Callable[[Path], Result],
    outputs: files.Outputs,
    page: Page | None,
) -> int:
    """Go through several files, whatever one of them says."""
    results: dict[str, Result] = {}
    failed: dict[str, str] = {}
    with terminal.Progress(len(paths), "files") as progress:
        for name, path in paths.items():
            try:
                result = work(path)
                if outputs.picture and result.draw:
                    outputs.draw(result.draw, name)
                if page:
                    page.add(name, result)
                results[name] = replace(result, draw=None, more_pictures=[])  # which hold the samples
            except UsageError as error:
                failed[name] = str(error)
            except Exception as error:  # a fault, which must not cost the other files
                failed[name] = f"{type(error).__name__}: {error}"
            progress.report(len(results) + len(failed))
    for name, result in results.items():
        for message in result.messages:
            options.warn(f"{name}: {message}")

    table = [{"file": name, **row} for name, result in results.items() for row in result.table]
    if outputs.out and results:
        if outputs.out.suffix.lower() == ".json":
            content = {name: result.content for name, result in results.items()}
            outputs.write(as_json({"files": content, "failed": failed}))
        else:
            names = ["file", *(name for result in results.values() for name in result.columns)]
            outputs.write(as_csv(table, columns_of(table, names)))
            _write_stimuli(outputs, [{"file": name, **row} for name, one in results.items() for row in one.stimuli])
    if page:
        outputs.write_report(page.html(failed))
    if getattr(arguments, "json", False):
        print(as_json({name: result.content for name, result in results.items()}), end="")
        return _failures(failed, len(paths))
    shown: list[Row] = [{"file": name, **row} for name, result in results.items() for row in result.shown]
    if shown:
        print(terminal.aligned(as_text(shown, columns_of(shown))))
    if written := outputs.written():
        print(f"\n{terminal.aligned([('written', path) for path in written])}")
    return _failures(failed, len(paths))


def _write_stimuli(outputs: files.Outputs, rows: list[Row]) -> None:
    """Write the table of stimuli, if there is one, beside a table."""
    if rows and outputs.out and outputs.out.suffix.lower() == ".csv":
        outputs.write_beside(_STIMULI, as_csv(rows, columns_of(rows)))


def _page(arguments: argparse.Namespace, size: tuple[float, float]) -> Page:
    """An empty page for --report."""
    from synkin.cli.report import Page

    return Page(arguments.command, arguments.words, size)


def _failures(failed: dict[str, str], count: int) -> int:
    """Say which files failed, and why; the exit status."""
    if failed:
        print(f"{len(failed)} of {count} files failed:", file=sys.stderr)
        print("\n".join(f"  {name}: {said}" for name, said in failed.items()), file=sys.stderr)
    return 1 if failed else 0


def _recordings(arguments: argparse.Namespace) -> tuple[list[Path], bool]:
    """The recordings that a command reads, and whether there may be several.

    Raises:
        UsageError: files and --sample, or neither; a folder or a pattern without recordings.
    """
    check_inputs(arguments)
    given: list[Path] = arguments.recordings
    if arguments.sample:
        return [options.SAMPLE_RECORDING], False
    paths = [path for one in given for path in _expanded(one, arguments.out)]
    return list(dict.fromkeys(paths)), len(given) > 1 or given != paths


def _expanded(path: Path, out: Path | None) -> list[Path]:
    """A file as it is; the recordings in a folder, but for the table; the files that a pattern names."""
    if path.is_dir():
        found = sorted(
            entry
            for entry in path.iterdir()
            if entry.suffix.lower() in _IN_FOLDERS and entry.is_file() and not entry.name.startswith(".")
        )
        found = [entry for entry in found if out is None or not _is_table_of_before(entry, out)]
        if not found:
            raise UsageError(f"Folder {path} must hold recordings ({formats.KNOWN} and others), but has none.")
        return found
    if set("*?[") & set(str(path)) and not path.exists():
        found = [Path(name) for name in sorted(glob(str(path), recursive=True)) if Path(name).is_file()]
        if not found:
            raise UsageError(f"There is no file that matches {path}.")
        return found
    return [path]


def _is_table_of_before(path: Path, out: Path) -> bool:
    """Whether a file in a folder is a table that an earlier command wrote, and no recording."""
    if path.resolve() not in (out.resolve(), files.beside(out, _STIMULI).resolve()):
        return False
    with path.open("rb") as file:
        return file.read(5) == b"file,"


def _names(paths: Sequence[Path]) -> list[str]:
    """What files are called in tables and pictures: their names, or their paths where two have one name."""
    names = [path.name for path in paths]
    return names if len(set(names)) == len(names) else [str(path) for path in paths]
