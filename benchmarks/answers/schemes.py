"""KINETIC blocks as they are printed, pasted: states and numbers are made up, the ways of writing are those of files.

Each goes with the same scheme as a list of numbers, which a matrix exponential solves.
"""

import re
import warnings
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg

import synkin
from benchmarks.answers import Row

# A pulse of 1 mM for 1 ms at 0, and when it is looked at, ms.
AT = np.array([0.4, 1.0, 3.0, 20.0])
BIND = True


class Block(NamedTuple):
    """A text, what is given with it, and what must come of it."""

    kind: str
    text: str
    given: dict[str, Any]
    edges: tuple[Any, ...] = ()  # (from, to, rate in /ms or /ms/mM, and BIND where it binds), the first from rest
    warns: str = ""  # what the warning says
    refused: str = ""  # what the error says


_TWO_SITES = (
    ("A", "B", 10.0, BIND), ("B", "A", 0.3), ("B", "BB", 5.0, BIND), ("BB", "B", 0.6),
    ("BB", "O", 2.0), ("O", "BB", 0.5),
)  # fmt: skip
_TWO = {"open": "O", "Rb": 5.0, "Ru": 0.3, "Ro": 2.0, "Rc": 0.5}

BLOCKS = (
    Block(
        "a ligand as a factor, with the factor of units",
        """
        KINETIC states {
            rb = 2 * Rb * (1e-3) * (1e3) * C   : for each of two free sites
            rb1 = Rb * C
            ~ A <-> B (rb, Ru)
            ~ B <-> BB (rb1, 2*Ru)
            ~ BB <-> O (Ro, Rc)     : gating
            CONSERVE A + B + BB + O = 1
        }""",
        _TWO,
        _TWO_SITES,
    ),
    Block(
        "a ligand of any name",
        "~ A <-> B (2*Rb*XMTR1, Ru)\n~ B <-> BB (Rb*XMTR1, 2*Ru)\n~ BB <-> O (Ro, Rc)",
        _TWO,
        _TWO_SITES,
    ),
    Block(
        "a one-way step",
        "~ A <-> O (Rb*T, Ru)\n~ D <-> A (kr, 0)\n~ O <-> D (kd, 0)",
        {"open": "O", "Rb": 5.0, "Ru": 0.3, "kd": 0.4, "kr": 0.1},
        (("A", "O", 5.0, BIND), ("O", "A", 0.3), ("D", "A", 0.1), ("O", "D", 0.4)),
    ),
    Block(
        "a rate whose value is 0",
        "~ A <-> O (Rb*T, Ru)\n~ A <-> D (kd, kr)",
        {"open": "O", "Rb": 5.0, "Ru": 0.3, "kd": 0.0, "kr": 0.1},
        (("A", "O", 5.0, BIND), ("O", "A", 0.3), ("D", "A", 0.1)),
    ),
    Block(
        "a procedure that is called",
        """
        KINETIC kin {
            LOCAL rb, ru
            rates(v)
            ~ A <-> O (Rb*glu, Ru)
            ~ O <-> M (rb_mg, ru_mg)
        }""",
        {"open": "O", "Rb": 5.0, "Ru": 0.3, "rb_mg": 0.8, "ru_mg": 5.4},
        (("A", "O", 5.0, BIND), ("O", "A", 0.3), ("O", "M", 0.8), ("M", "O", 5.4)),
        warns="Line 4 of the scheme, `rates(v)`, calls a procedure, which is passed over: of the rates that it would "
        "set, Rb, Ru, rb_mg, ru_mg are as they were given.",
    ),
    Block(
        "a procedure that is called, without its rates",
        "evaluate_fct(v)\n~ A <-> O (Rb*glu, Ru)",
        {"open": "O", "Rb": 5.0},
        refused="`Ru` has none: Ru=..., as line 1 of the scheme, `evaluate_fct(v)`, calls a procedure, which is not "
        "run.",
    ),
    Block(
        "time constants",
        "~ A <-> O (Rb*T, 1/tau)\n~ O <-> D ((1 - p)/tau_d, p/tau_d)",
        {"open": "O", "Rb": 5.0, "tau": 4.0, "tau_d": 8.0, "p": 0.25},
        (("A", "O", 5.0, BIND), ("O", "A", 0.25), ("O", "D", 0.09375), ("D", "O", 0.03125)),
    ),
    Block(
        "a sum of rates",
        "~ A <-> O (Rb*T, koff + k2)\n~ O -> A (2*(koff + k2)/(1 + r))",
        {"open": "O", "Rb": 5.0, "koff": 0.2, "k2": 0.1, "r": 3.0},
        (("A", "O", 5.0, BIND), ("O", "A", 0.3), ("O", "A", 0.15)),
    ),
    Block(
        "a state that opens without transmitter, too",
        "~ A <-> O (Rb*T + k0, Ru)",
        {"open": "O", "rest": "steady", "Rb": 5.0, "k0": 0.01, "Ru": 0.3},
        (("A", "O", 5.0, BIND), ("A", "O", 0.01), ("O", "A", 0.3)),
    ),
    Block(
        "an exponential of the voltage",
        "alpha = 0.5*exp(-v/17)\n~ A <-> O (Rb*T, Ru)\n~ O <-> M (alpha, beta)",
        {"open": "O", "Rb": 5.0, "Ru": 0.3, "beta": 5.4},
        refused="Line 1 of the scheme, `alpha = 0.5*exp(-v/17)`, must have a rate of names and numbers, with + - * / "
        "and parentheses, but has `0.5*exp(-v/17)`: give alpha=... instead, its value at the held voltage, or a "
        "function of the parameters.",
    ),
    Block(
        "the same, its value given",
        "alpha = 0.5*exp(-v/17)\n~ A <-> O (Rb*T, Ru)\n~ O <-> M (alpha, beta)",
        {"open": "O", "Rb": 5.0, "Ru": 0.3, "beta": 5.4, "alpha": 0.8},
        (("A", "O", 5.0, BIND), ("O", "A", 0.3), ("O", "M", 0.8), ("M", "O", 5.4)),
    ),
    Block(
        "comments of all kinds",
        """
        COMMENT
            ~ A <-> Z (not, this)
        ENDCOMMENT
        ~ A <-> B (2*Rb*glu, Ru) ? the first
        ~ B <-> BB (Rb*glu, 2*Ru) : the second
        ~ BB <-> O (Ro, Rc)       # and it opens
        """,
        _TWO,
        _TWO_SITES,
    ),
    Block(
        "statements over lines, and two in one",
        """
        KINETIC kin
        {
            ~ A <-> B (2*Rb*glu,
                       Ru)
            ~ B <-> BB (Rb*glu, 2*Ru) ~ BB <-> O (Ro, Rc)
            CONSERVE A + B +
                     BB
                     + O = 1.0 }
        """,
        _TWO,
        _TWO_SITES,
    ),
    Block(
        "units behind numbers",
        """
        PARAMETER {
            Rb = 5 (/mM /ms) <0, 1e9> : binding
            Ru = 300e-3 (/ms)
            p = 1 (1)
        }
        KINETIC kin {
            ~ A <-> B (2*Rb*glu, p*Ru)
            ~ B <-> BB (5 (/mM /ms) * glu, 2*Ru)
            ~ BB <-> O (2 (/ms), 0.5 (1/ms))
        }""",
        {"open": "O"},
        _TWO_SITES,
    ),
    Block(
        "a state called in",
        "~ out <-> in (Rb*T, Ru)\n~ in <-> O (Ro, Rc)\nCONSERVE out + in + O = 1",
        {"open": {"O": 1.0, "in": 0.25}, "Rb": 5.0, "Ru": 0.3, "Ro": 2.0, "Rc": 0.5},
        (("out", "in", 5.0, BIND), ("in", "out", 0.3), ("in", "O", 2.0), ("O", "in", 0.5)),
    ),
    Block(
        "a product that no transition has",
        "rb = 2*Rb*C\nrb2 = Rb2*C\n~ A <-> B (rb, Ru)\n~ B <-> BB (Rb*C, 2*Ru)\n~ BB <-> O (Ro, Rc)",
        _TWO | {"Rb2": 7.0},
        _TWO_SITES,
        warns="Line 2 of the scheme, `rb2 = Rb2*C`, is passed over, as no transition has `rb2`: a published file "
        "may have meant it in a transition where another rate stands.",
    ),
    Block(
        "two that may be the ligand",
        "~ A <-> O (Rb*P*Q, Ru)",
        {"open": "O", "Rb": 5.0, "Ru": 0.3},
        refused="must have one transmitter that binds, but that may be `P` or `Q` here: ligand='P', say, tells which.",
    ),
    Block(
        "a branch",
        "IF (v > -20) {\nkd = 1\n}\n~ A <-> O (Rb*T, Ru)",
        {"open": "O", "Rb": 5.0, "Ru": 0.3},
        refused="is code, IF, which is not run: leave it out, and give the rates that it sets",
    ),
    Block(
        "C code",
        "VERBATIM\nx = 1;\nENDVERBATIM\n~ A <-> O (Rb*T, Ru)",
        {"open": "O", "Rb": 5.0, "Ru": 0.3},
        refused="is code, VERBATIM, which is not run: leave it out",
    ),
    Block(
        "a voltage below 0",
        "~ A <-> O (Rb*T, Ru*(1 + V/100))",
        {"open": "O", "Rb": 5.0, "Ru": 0.3, "V": -60.0},
        refused="Rate `V` must not be negative, but is -60.0: signed='V' is for one that may be, such as a voltage.",
    ),
    Block(
        "the same, signed",
        "~ A <-> O (Rb*T, Ru*(1 + V/100))",
        {"open": "O", "Rb": 5.0, "Ru": 0.3, "V": -60.0, "signed": "V"},
        (("A", "O", 5.0, BIND), ("O", "A", 0.12)),
    ),
)


def solved(block: Block) -> np.ndarray:
    """g at `AT`, from matrix exponentials of the edges."""
    states = list(dict.fromkeys(name for edge in block.edges for name in edge[:2]))

    def matrix(T: float) -> np.ndarray:
        q = np.zeros((len(states),) * 2)
        for source, target, rate, *binds in block.edges:
            i, j = states.index(target), states.index(source)
            q[i, j] += rate * (T if binds else 1.0)
            q[j, j] -= rate * (T if binds else 1.0)
        return q

    at_rest = np.eye(len(states))[0]
    if block.given.get("rest") == "steady":
        at_rest = scipy.linalg.expm(matrix(0.0) * 1e6) @ at_rest
    opened = block.given["open"]
    weights = {opened: 1.0} if isinstance(opened, str) else opened
    row = np.array([weights.get(state, 0.0) for state in states])
    on = np.minimum(AT, 1.0)
    return np.array(
        [
            row @ scipy.linalg.expm(matrix(0.0) * (t - held)) @ scipy.linalg.expm(matrix(1.0) * held) @ at_rest
            for t, held in zip(AT, on, strict=True)
        ]
    )


def pasted(block: Block) -> tuple[Any, list[str]]:
    """The kernel, and what it was warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        kernel = synkin.scheme(block.text, **block.given)
    return kernel, [str(warning.message) for warning in caught]


def _ask(block: Block) -> str:
    kernel, said = pasted(block)
    if not block.edges:
        return f"{kernel.transitions}"
    g = np.asarray(synkin.respond(kernel, kernel.Params(), [0.0], AT, dtype="float32"))
    error = np.abs(g - solved(block)).max() / solved(block).max()
    right = "g is right" if error < 1e-5 else f"g is off by {error:.2g}"
    return " ".join(["pastes:" if not said else "pastes with a warning:", right, *said])


def _reversible() -> str:
    kernel = synkin.scheme(
        "~ A <-> B (k1*T, k2)\n~ B <-> C (k3 + k4, 1/tau)\n~ C <-> A (k5, k6*T)",
        **{
            "open": "C",
            "rest": "steady",
            "k1": 2.0,
            "k2": 1.0,
            "k3": 0.5,
            "k4": 0.25,
            "tau": 4.0,
            "k5": 3.0,
            "k6": 1.5,
        },
    )
    (cycle,) = kernel.reversibility(T=0.5)
    return f"{max(cycle.ratio, 1 / cycle.ratio):.6g}"


def _written() -> str:
    first = synkin.scheme(
        "A + T <-> O : 2*(kon + k0)/tau, k1 - 0.5*k2", open="O", kon=2.0, k0=1.0, tau=3.0, k1=2.0, k2=1.0
    )
    text = "\n".join(map(str, first.transitions))
    again = synkin.scheme(text, open="O", kon=2.0, k0=1.0, tau=3.0, k1=2.0, k2=1.0)
    return f"{again.transitions == first.transitions}, {re.sub(chr(10), '; ', text)}"


def _in_use() -> str:
    kernel = synkin.scheme("~ A <-> O (Rb*T, 1/tau)", open="O", Rb=5.0, tau=4.0)
    synkin.respond(kernel, kernel.Params(tau=0.0), [0.0], [1.0])
    return "a number"


def _rest_in_use() -> str:
    kernel = synkin.scheme("~ A <-> O (Rb*T, Ru)\n~ A <-> D (kd, kr)", open="O", Rb=5.0, Ru=0.3, kd=0.0, kr=0.1)
    synkin.respond(kernel, kernel.Params(kd=0.1), [0.0], [1.0])
    return "a number"


def _right(block: Block) -> str:
    if block.refused:
        return f"refused: {block.refused}"
    return f"pastes with a warning: g is right {block.warns}" if block.warns else "pastes: g is right"


ROWS = (
    *(Row(f"paste {block.kind}", _right(block), partial(_ask, block)) for block in BLOCKS),
    Row("the ratio around a cycle with a sum and a quotient", "12, which is 2*0.75*3/(1*0.25*1.5)", _reversible),
    Row("a scheme's transitions as text, read again", "True", _written),
    Row("1/tau where tau is 0", "refused: Rate `1/tau` of O -> A must be finite", _in_use),
    Row(
        "rest left by a rate that is 0 by default, and then is not", "refused: A is left by `A -> D : kd`", _rest_in_use
    ),
)
