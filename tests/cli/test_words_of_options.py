"""Commands put options in place of Python's arguments: what they look for in a message is there."""

import ast
from pathlib import Path

import pytest

import synkin
from synkin.cli import events, measure

HOME = Path(synkin.__file__).parent


def texts(folder):
    """All texts in the code of a folder; those of an f-string without what is filled in."""
    for path in (HOME / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


@pytest.mark.parametrize(("command", "folder"), [(measure, "measures"), (events, "events")])
def test_what_is_replaced_is_said(command, folder):
    said = [*texts(folder)]
    assert [words for words in command._AS_OPTIONS if not any(words in text for text in said)] == []
