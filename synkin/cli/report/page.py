"""The page: the command as it was typed, versions, and for each file its summary, pictures, tables, messages, JSON."""

from __future__ import annotations

import importlib.metadata
import platform
import shlex
from collections.abc import Sequence
from datetime import datetime
from html import escape
from pathlib import Path

import synkin
from synkin.cli.parser import called_as
from synkin.cli.report import pictures
from synkin.cli.result import Result, Row, as_json, columns_of, shown_cell

# The largest number of rows of a table, and of characters of a text in JSON, that a page shows.
_ROWS, _CHARACTERS = 2000, 2_000_000
_HOME = Path(__file__).parent
# The packages whose versions are told.
_PACKAGES = ("jax", "jaxlib", "numpy", "scipy")


class Page:
    """A page that grows with each file, and keeps no samples of it."""

    def __init__(self, command: str, words: Sequence[str], size: tuple[float, float]) -> None:
        """A page without results.

        Args:
            command: its name.
            words: the command line as it was typed, without the program's name.
            size: of pictures, in inches.
        """
        self._command, self._words, self._size = command, words, size
        self._sections: list[str] = []
        self._all: list[Row] = []

    def add(self, name: str, result: Result) -> None:
        """Add what was found in the file ``name``."""
        self._all += [{"file": name, **row} for row in result.shown]
        parts = [f"<h2>{escape(name)}</h2>", _summary(result.rows)]
        parts += [_message(message) for message in result.messages]
        parts += [_message(_said_by(row)) for row in result.table if row.get("message")]
        drawn = [("", result.draw)] if result.draw else []
        for title, draw in [*drawn, *result.more_pictures]:
            heading = f"<h3>{escape(title)}</h3>" if title else ""
            svg = pictures.svg(draw, self._size, escape(f"{title or self._command}: {name}", quote=True))
            parts.append(f"{heading}<figure>{svg}</figure>")
        detail = result.table if result.detail is None else result.detail
        parts.append(_table(detail, columns_of(detail, [] if result.detail else result.columns)))
        if result.text:
            parts.append(f"<details><summary>As it is printed</summary><pre>{escape(result.text)}</pre></details>")
        parts.append(_json(result.content))
        self._sections.append(f"<section>{''.join(parts)}</section>")

    def html(self, failed: dict[str, str]) -> str:
        """The page, with the files that failed and why."""
        title = f"synkin {self._command}"
        typed = (
            shlex.join([called_as(), *self._words])
            if called_as() == "synkin"
            else f"{called_as()} {shlex.join(self._words)}"
        )
        parts = [
            f'<header><h1>{escape(title)}</h1><pre class="command">{escape(typed)}</pre>',
            f'<p class="soft">{escape(_versions())}</p></header>',
        ]
        if failed:
            rows: list[Row] = [{"file": name, "why": said} for name, said in failed.items()]
            parts.append(f"<section><h2>Files that failed</h2>{_table(rows, ['file', 'why'])}</section>")
        if len(self._sections) > 1:
            overview = [{name: cell for name, cell in row.items() if name != "message"} for row in self._all]
            parts.append(f"<section><h2>All files</h2>{_table(overview, columns_of(overview))}</section>")
        style, program = ((_HOME / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
        return (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{escape(title)}</title><style>{style}</style></head><body><main>"
            f"{''.join([*parts, *self._sections])}</main><script>{program}</script></body></html>\n"
        )


def _versions() -> str:
    """When the page was made, and with what."""
    found = [f"synkin {synkin.__version__}", f"Python {platform.python_version()}"]
    found += [f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES]
    return f"{datetime.now().astimezone():%Y-%m-%d %H:%M %Z}, {', '.join(found)}, {platform.system()}"


def _summary(rows: Sequence[tuple[str, str]]) -> str:
    """The rows of a summary; those without a name belong to the one above."""
    together: list[tuple[str, list[str]]] = []
    for name, said in rows:
        if name or not together:
            together.append((name, []))
        together[-1][1].append(said)
    lines = (f"<dt>{escape(name)}</dt><dd>{escape(chr(10).join(said))}</dd>" for name, said in together)
    return f"<dl>{''.join(lines)}</dl>"


def _message(text: str) -> str:
    return f'<p class="message">{escape(text)}</p>'


def _said_by(row: Row) -> str:
    """What a fit says of itself, with its kernel."""
    return ": ".join(str(row[name]) for name in ("kernel", "message") if row.get(name))


def _table(rows: Sequence[Row], columns: Sequence[str]) -> str:
    """A table whose columns sort it; long ones are cut."""
    names = [name for name in columns if name != "message" and any(shown_cell(row.get(name)) != "-" for row in rows)]
    if not names:
        return ""
    words = {name for name in names if any(isinstance(row.get(name), str) for row in rows)}
    kind = {name: ' class="word"' if name in words else "" for name in names}
    head = "".join(f"<th{kind[name]}><button>{escape(name)}</button></th>" for name in names)
    body = "".join(f"<tr>{''.join(_cell(row.get(name), kind[name]) for name in names)}</tr>" for row in rows[:_ROWS])
    more = f'<p class="soft">The first {_ROWS:,} of {len(rows):,} rows.</p>' if len(rows) > _ROWS else ""
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="table" tabindex="0">{table}</div>{more}'


def _cell(value: str | float | int | None, kind: str) -> str:
    text = shown_cell(value, digits=6)
    if text == "-":
        return f'<td{kind} data-value="">-</td>'
    whole = f' data-value="{value!r}"' if isinstance(value, float) else ""
    return f"<td{kind}{whole}>{escape(text)}</td>"


def _json(content: dict[str, object]) -> str:
    text = as_json(content)
    if len(text) > _CHARACTERS:
        return '<p class="soft">The result is too long to stand here as JSON: --out FILE.json writes it.</p>'
    button = '<button class="copy" type="button">Copy</button>'
    return f"<details><summary>The result as JSON</summary>{button}<pre>{escape(text)}</pre></details>"
