"""The help of every command: each is rendered, and each option has a text of its own."""

import inspect

import pytest

from synkin import __main__ as command_line


def commands(parser):
    """The parsers of a parser's commands, and of theirs."""
    found = {}
    for action in parser._actions:
        for name, own in (action.choices or {}).items() if action.nargs == "A..." else ():
            found |= {name: own} | {f"{name} {inner}": it for inner, it in commands(own).items()}
    return found


PARSERS = {"": command_line._parser([])} | commands(command_line._parser([]))


def test_every_command_is_found():
    assert set(PARSERS) - {""} >= set(command_line.COMMANDS)


@pytest.mark.parametrize("name", PARSERS)
def test_help(capsys, name):
    """It comes without a traceback and says of each option, besides its name, what it takes and what it does."""
    with pytest.raises(SystemExit, match=r"^0$"):
        command_line.main([*name.split(), "--help"])
    shown = capsys.readouterr()
    assert shown.err == ""
    words = " ".join(shown.out.split())
    assert "%%" not in words
    assert "%(" not in words
    parser = PARSERS[name]
    assert " ".join((parser.epilog or "").split()) % {"prog": parser.prog} in words
    texts = []
    for action in parser._actions:
        if action.nargs == "A...":
            continue
        assert action.help, action
        text = " ".join(parser._get_formatter()._expand_help(action).split())
        texts.append(text)
        assert text in words, action
        assert all(option in words for option in action.option_strings)
        if action.nargs != 0:
            assert action.metavar, action  # what stands there otherwise is the name in the code
            assert action.metavar in words
        if inspect.isfunction(action.type):  # those of `options.one_of`
            assert all(word in text for word in inspect.getclosurevars(action.type).nonlocals.get("known", ())), action
    assert len(set(texts)) == len(texts), "two options have one text"
