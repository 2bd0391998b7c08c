"""What a person may have meant."""

from collections.abc import Iterable
from difflib import get_close_matches


def meant(word: str, known: Iterable[str]) -> str:
    """A clause to put behind a name that there is not: the known one that is most like it, or nothing.

    Capitals and signs count for nothing: ``tdur`` is T_dur, ``AMPA`` is ampa.

    Returns:
        `` (did you mean NAME?)`` with the space before it, or an empty text.
    """
    plain = {_plain(name): name for name in known}
    found = get_close_matches(_plain(word), plain, n=1)
    return f" (did you mean {plain[found[0]]}?)" if found else ""


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name)).lower()
