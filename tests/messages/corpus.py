"""The sentences in the text files beside this one, and what is said today.

    # a heading
    >>> Python that is wrong                 $ a command line that is wrong
    TypeError: What is said of it.           What is said of it.

``...`` stands for what varies, such as the 32 of float32. In command_line.txt, ``@ name: text`` is a file that lies in
the folder in which the commands run. The names that Python may use are those of `NAMES`.

    python -m tests.messages.corpus    # puts what is said today in the place of sentences that are said no more
"""

import collections
import contextlib
import io
import re
import shlex
import tempfile
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import synkin
from synkin.__main__ import main
from tests.helpers.ensembles import TIMES as AT
from tests.helpers.ensembles import WINDOWS, ensemble

try:
    import saiunit
except ImportError:  # optional
    saiunit = None

FOLDER = Path(__file__).parent
# An argument, or what a sentence about a scheme, a sum or an object begins with.
_BEGINNINGS = r"AMPA|Alpha|STP|Line \d+|A scheme|A state|At rest|vargas2004|Kernels of a sum|A sum"
NAMED = re.compile(rf"`\w+(\.\w+)*`|COMMAND|^\w+: ({_BEGINNINGS})\b")


class Row(NamedTuple):
    """Something wrong and what is said of it."""

    file: str
    line: int  # of the sentence
    code: str
    said: str

    def __str__(self) -> str:
        return f"{self.file}: {self.code}"


def rows() -> list[Row]:
    """All rows of all files but those with units where there is no package of units."""
    found = []
    for path in sorted(FOLDER.glob("*.txt")):
        lines = path.read_text().splitlines()
        for i, line in enumerate(lines[:-1]):
            if line.startswith((">>> ", "$ ")) and (saiunit or path.stem != "units"):
                found.append(Row(path.stem, i + 1, line, lines[i + 1]))
    return found


def files() -> dict[str, str]:
    """What lies in the folder in which the commands run."""
    found = re.findall(r"^@ (\S+):(.*)$", (FOLDER / "command_line.txt").read_text(), re.MULTILINE)
    return {name: text.strip().replace(" | ", "\n") + "\n" * bool(text) for name, text in found}


def say(code: str) -> str:
    """What is said of some wrong Python or of a wrong command line."""
    if code.startswith("$ synkin"):
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
            status = main(shlex.split(code)[2:])
        return err.getvalue().removesuffix("\n") if (status, out.getvalue()) == (2, "") else f"Exit status {status}."
    try:
        exec(code.removeprefix(">>> "), dict(NAMES))
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "Nothing is raised."


def matches(sentence: str, said: str) -> bool:
    """Whether what is said is the sentence, of which ``...`` may be anything."""
    return re.fullmatch(".+".join(map(re.escape, sentence.split("..."))), said) is not None


def is_sentence(row: Row, said: str) -> bool:
    """Whether what is said is one line that names what it speaks of, and nothing of how JAX or synkin work."""
    words = re.findall(r"[\w.]{2,}", row.code.removeprefix("$ synkin")) if row.code.startswith("$") else ()
    named = NAMED.search(said) or any(word in said for word in words)
    return bool(named and re.fullmatch(r"[^\n]+\.", said)) and not re.search(r"Tracer|synkin\.kernels\.", said)


# Names of the rows ----------------------------------------------------------------------------------------------------


def fit(**given):
    """A fit of tau of expon to a decay, but for what is given."""
    usual = {"kernel": synkin.expon, "params": synkin.expon.Params(), "spike_times": [0.0], "times": TIMES}
    return synkin.fit(**usual | {"trace": np.exp(-TIMES / 5), "free": "tau", "progress": False, "starts": 1} | given)


def each(**given):
    """Fits of tau of expon to two decays, but for what is given."""
    usual = {"kernel": synkin.expon, "params": synkin.expon.Params(), "spike_times": [0.0], "times": TIMES}
    traces = np.exp(-TIMES / np.array([[5.0], [8.0]]))
    return synkin.fit_each(**usual | {"traces": traces, "free": "tau", "starts": 1} | given)


def noise(traces=None, **given):
    """A noise analysis of 12 sweeps of channels, but for what is given."""
    return synkin.noise_analysis(AT, SWEEPS if traces is None else traces, **WINDOWS | given)


def released(amplitudes=None, **given):
    """An analysis of amplitudes under three conditions, but for what is given."""
    return synkin.release_noise(AMPLITUDES if amplitudes is None else amplitudes, **given)


def scheme(*lines, text="C0 + glu <-> C1 : kon, koff\nC1 <-> O : beta, alpha\n", open="O", **rates):
    """A scheme of two lines and further ones, which begin with line 3."""
    rates = {"kon": 5.0, "koff": 0.1, "beta": 1.0, "alpha": 0.2} | rates
    return synkin.scheme(text + "\n".join(lines), open=open, **rates)


def named(name, rate):
    """A receptor with a name and a rate of one's choice."""
    params = collections.namedtuple("Params", [rate, "T", "T_dur"], defaults=[1.0, 1.0, 1.0])
    state = collections.namedtuple("State", ["g", "pulse_left"])
    slopes = lambda p, y, T: {"g": T * (1 - y.g) - getattr(p, rate) * y.g}  # noqa: E731
    return synkin.receptor(slopes, params, state, name=name, methods=("exp_euler",))


def receptor(slope, conductance=None):
    """A receptor with one variable and a slope of one's choice."""
    params = collections.namedtuple("Params", ["beta", "T", "T_dur"], defaults=[1.0, 1.0, 1.0])
    state = collections.namedtuple("State", ["g", "pulse_left"])
    return synkin.receptor(lambda p, y, T: {"g": slope(p, y, T)}, params, state, name="own", conductance=conductance)


def deleted():
    """An array that JAX has let go of."""
    x = jnp.zeros((5, 3))
    x.delete()
    return x


TIMES = np.arange(0.0, 20.0, 0.5)
SWEEPS = ensemble(0, 12)
AMPLITUDES = [np.random.default_rng(0).binomial(8, p, 20).astype(float) for p in (0.2, 0.5, 0.8)]
SPIKES = np.zeros((5, 3), bool)
NAMES = {name: getattr(synkin, name) for name in synkin.__all__}
NAMES |= {name: getattr(synkin.schemes, name) for name in ("nmda5", "vargas2004")}
NAMES |= {
    "synkin": synkin,
    "tm": synkin.tsodyks_markram,
    "np": np,
    "jax": jax,
    "jnp": jnp,
    "jit": jax.jit,
    "u": saiunit,
}
NAMES |= {"noise": noise, "released": released, "at": AT, "sweeps": SWEEPS, "amplitudes": AMPLITUDES}
NAMES |= {"fit": fit, "each": each, "scheme": scheme, "named": named, "deleted": deleted}
NAMES |= {"both": synkin.ampa + synkin.schemes.nmda5, "stepped": named("stepped", "beta")}
NAMES |= {
    "unbounded": receptor(lambda p, y, T: T - p.beta * y.g),
    "squared": receptor(lambda p, y, T: T * (1 - y.g) - p.beta * y.g, lambda p, y: y.g**2),
}
# Of ampa at rest, three synapses over five steps; of alpha at rest, two synapses.
NAMES |= {"state": synkin.ampa.init(synkin.ampa.Params(), (3,)), "spikes": SPIKES, "nans": jnp.full(3, jnp.nan)}
NAMES |= {"rest": synkin.alpha.init(synkin.alpha.Params(), (2,)), "ones": np.ones((4, 2))}
NAMES |= {"times": TIMES, "trace": np.exp(-TIMES / 5)}
NAMES |= {"traces": np.exp(-TIMES / np.array([[5.0], [8.0]]))}
# Four sweeps at four levels, and a recording of two sweeps.
LEVELS = np.array([-60.0, -20.0, 20.0, 60.0])
NAMES |= {"levels": LEVELS, "steps": LEVELS[:, None] * np.exp(-TIMES / 5)}
NAMES |= {"cell": synkin.Recording(TIMES, NAMES["traces"], "pA")}
# Three numbers of which one is masked; dates, objects and strings in the place of spikes.
NAMES |= {"masked": np.ma.masked_array([1.0, 2.0, 3.0], mask=[False, True, False])}
NAMES |= {"dates": np.zeros((5, 3), "M8[s]"), "objects": np.full((5, 3), None), "strings": np.full((5, 3), "a")}


def rewrite() -> None:
    """Put what is said today in the place of sentences that are said no more."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for name, text in files().items():
            Path(name).write_text(text)
        for row in rows():
            said = re.sub(r"(traced array of (float|complex))\d+", r"\1...", say(row.code))
            if not matches(row.said, said):
                path = FOLDER / f"{row.file}.txt"
                lines = path.read_text().splitlines()
                print(f"{path.name}, line {row.line + 1}\n- {lines[row.line]}\n+ {said}")
                lines[row.line] = said
                path.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    rewrite()
