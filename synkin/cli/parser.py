"""From the words of a command line to options, with an error message for words that belong to no option.

If an option may have several values, argparse gives it every word up to the next option, even the name of the file, as
in ``fit --scale recording.csv``. It also reads ``-1e-3`` as an option. Here a word belongs to an option only if it can
be its value. The option and its value are then joined with ``=`` for argparse.
"""

import argparse
import re
import sys
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from synkin.cli import UsageError
from synkin.cli.suggestions import did_you_mean

# How values of --set, --bounds and --exclude begin, of which there may be several: beta=0.2, tau=1:20, 155:384,
# 20:21,70:71.
_SETTING = re.compile(r"[^\W\d][\w+.]*=|-?[\d.]+:-?[\d.]+(,|$)")


def called_as() -> str:
    """The name of the program as the user typed it, for usage lines and examples."""
    return "synkin" if Path(sys.argv[0]).stem == "synkin" else "python -m synkin"


class Parser(argparse.ArgumentParser):
    """An argument parser that does not take a file for the value of an option, and whose errors are sentences."""

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """As in argparse, which also calls this for a command; but unknown words are an error."""
        words = self._joined(deque(sys.argv[1:] if args is None else args))
        if any(action.nargs == "*" for action in self._get_positional_actions()):
            words = _files_last(words)  # as argparse takes only those that stand side by side
        parsed, left = super().parse_known_args(words, namespace or argparse.Namespace())
        if left:
            raise UsageError(self._unknown(left[0]))
        return parsed, []

    def error(self, message: str) -> NoReturn:
        """Raise the error of argparse as a sentence."""
        message = re.sub(r"^argument (-\S+): not allowed with argument (-\S+)$", r"option \1 excludes \2", message)
        message = re.sub(r"^argument (-\S+): ", r"option \1 ", message)
        raise UsageError(f"{message[0].upper()}{message[1:]}.")

    def _joined(self, words: deque[str]) -> list[str]:
        joined: list[str] = []
        while words:
            word = words.popleft()
            if word == "--":  # all that follows are files
                return [*joined, word, *words]
            action = self._option_string_actions.get(word)
            if action is None or action.nargs == 0:
                joined.append(word)
            elif action.nargs == "?":
                joined.append(f"{word}={words.popleft() if words and _accepts(action, words[0]) else action.const}")
            else:
                joined.append(f"{word}={self._value(word, action, words)}")
                while action.nargs == "+" and words and _SETTING.match(words[0]):
                    joined.append(f"{word}={words.popleft()}")
        return joined

    def _value(self, option: str, action: argparse.Action, words: deque[str]) -> str:
        """The value of an option that needs one: the next word."""
        if not words:
            raise UsageError(f"Option {option} needs {action.metavar}, but nothing comes after it.")
        if words[0].startswith("--") or words[0] in self._option_string_actions:
            raise UsageError(f"Option {option} needs {action.metavar}, but {words[0]} comes after it.")
        return words.popleft()

    def _unknown(self, word: str) -> str:
        if word.startswith("-"):
            name = word.partition("=")[0]
            options = [option for option in self._option_string_actions if option.startswith("--")]
            return f"There is no option {name}{did_you_mean(name, options)}: `{self.prog} --help` shows them all."
        command, files = self.prog.split()[-1], [str(action.metavar) for action in self._get_positional_actions()]
        takes = f"one {files[0]}" if files else "options alone"
        return f"Command {command} takes {takes}, but got {word!r} as well."


def _files_last(words: list[str]) -> list[str]:
    """Joined words with the options first. All that follows ``--`` are files."""
    end = words.index("--") if "--" in words else len(words)
    options = [word for word in words[:end] if word.startswith("-") and word != "-"]
    return [*options, *(word for word in words[:end] if word not in options), *words[end:]]


def _accepts(action: argparse.Action, word: str) -> bool:
    try:
        return callable(action.type) and action.type(word) is not None
    except (ValueError, argparse.ArgumentTypeError):
        return False
