"""Suggestions in place of a name that does not exist."""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A clause to put after an unknown name: the known name that is most like it, if any is close.

    Capitals and signs are ignored: ``tdur`` is T_dur, ``AMPA`` is ampa.

    Returns:
        `` (did you mean NAME?)`` with the space before it, or an empty string.
    """
    plain = {_plain(name): name for name in known}
    found = get_close_matches(_plain(word), plain, n=1)
    return f" (did you mean {plain[found[0]]}?)" if found else ""


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name)).lower()
