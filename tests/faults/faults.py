"""The faults: in a file, a piece of a line and what takes its place."""

from typing import NamedTuple


class Fault(NamedTuple):
    """One fault."""

    file: str  # within synkin/
    right: str  # stands once in that file
    wrong: str
    what: str


FAULTS = (
    # arguments
    Fault(
        "arguments/units.py",
        "came.magnitude / wanted.magnitude",
        "wanted.magnitude / came.magnitude",
        "a unit is converted the wrong way round",
    ),
    Fault(
        "arguments/numbers.py",
        "finite & (value > 0 if record.positive else value >= 0)",
        "finite & (value > 0 if record.positive else finite)",
        "a negative rate passes",
    ),
    Fault(
        "arguments/inputs.py",
        "tests = [~jnp.isnan(as_floating(value)) for value in params if not is_concrete(value)]",
        "tests = []",
        "a traced parameter out of range gives a plausible g",
    ),
    Fault(
        "arguments/bind.py",
        "if start is not None:",
        "if False:",
        "a spike before the time of the given state is taken for one at that time",
    ),
    # tracing
    Fault(
        "tracing/fingerprint.py",
        "text += _text(jax.make_jaxpr(derivative)(at, at))",
        "text += ''",
        "kernels that differ in a stated derivative are taken for one",
    ),
    Fault(
        "tracing/sameness.py",
        "return self.value(literal.aval), number.dtype.str, number.tobytes()",
        "return self.value(literal.aval), number.dtype.str",
        "a readout with another whole number in it gives the numbers of an earlier one",
    ),
    Fault(
        "tracing/closures.py",
        'x.strides, x.__array_interface__["data"][0], x.tobytes()',
        'x.strides, x.__array_interface__["data"][0]',
        "numbers that are changed in place in a NumPy array are not seen",
    ),
    Fault(
        "tracing/polynomials.py",
        "powers[atom] = powers.get(atom, 0) + exponent",
        "powers[atom] = exponent",
        "x * x is taken for x",
    ),
    # solving
    Fault(
        "solving/coefficients.py",
        "lost = lost + later * (1 - lost)",
        "lost = lost + later",
        "two stretches of a step lose more than there is",
    ),
    Fault(
        "solving/propagator.py",
        "by_opened = jnp.where(small, (near + 1 + t) * (1 - t), moved + mean * (settled - 1))",
        "by_opened = jnp.where(small, (near + 1 + t) * (1 - t), moved + mean * settled)",
        "the derivative of a gate by its opening lacks a term",
    ),
    Fault(
        "solving/propagator.py",
        "jnp.where((k < squarings)",
        "jnp.where((k <= squarings)",
        "a matrix is squared once too often",
    ),
    Fault("solving/pulses.py", "_GRID_SLACK = 1e-3", "_GRID_SLACK = 0.0", "a pulse of 0.3 ms lasts four steps of 0.1"),
    Fault(
        "solving/pulses.py",
        "count = jnp.where(pulse_left > 0, 2 * steps + 1, 0)",
        "count = jnp.where(pulse_left > 0, 2 * steps, 0)",
        "the last step of a pulse under way has the length of a new pulse's",
    ),
    Fault(
        "solving/run.py",
        "trace.last[jnp.maximum(row - 1, 0)]",
        "trace.last[row]",
        "the derivative of a run takes the value after a step for that before it",
    ),
    Fault(
        "solving/parallel_in_time.py",
        "return then[0] * first[0], then[0] * first[1] + then[1]",
        "return then[0] * first[0], first[0] * then[1] + first[1]",
        "a run in parallel composes its maps in the wrong order",
    ),
    Fault(
        "solving/gate.py",
        "good = at._replace(most=jnp.where((off > 1).any(axis=0), -jnp.ones_like(at.most), at.most))",
        "good = at",
        "a gate's table is read where it is not good enough",
    ),
    Fault(
        "solving/stepper.py",
        "wrong = jnp.where((spike == 0) | (spike == 1), wrong, np.asarray(np.nan, wrong.dtype))",
        "pass",
        "a traced spike of 0.5 is one in a stepper",
    ),
    # recordings
    Fault(
        "recordings/measures.py",
        "rise=rising[0.9] - rising[0.1]",
        "rise=rising[0.9] - rising[_FOOT[0]]",
        "the rise is measured from 20 %",
    ),
    Fault(
        "recordings/measures.py",
        "samples.std(axis=1, ddof=1)",
        "samples.std(axis=0, ddof=1)",
        "the noise of a baseline is taken along the wrong axis",
    ),
    Fault(
        "recordings/table.py",
        "line, lines = line + skipped, lines[skipped:]",
        "line, lines = line + skipped, lines[skipped + 1 :]",
        "the first row of a table is left out",
    ),
    # networks
    Fault(
        "networks/plasticity.py",
        "return (u, x * (1 - u), y + u * x, z), u * x",
        "return (u, x * (1 - u), u * x, z), u * x",
        "what is released takes the place of what is still active",
    ),
    Fault(
        "networks/delays.py",
        "return xp.floor(steps + (0.5 + _NEAR))",
        "return xp.floor(steps)",
        "delays are rounded down",
    ),
    # declaring
    Fault(
        "declaring/reversibility.py",
        "logs = sum(np.log(matrix[j, i]) - np.log(matrix[i, j]) for i, j in pairs)",
        "logs = sum(np.log(matrix[i, j]) - np.log(matrix[j, i]) for i, j in pairs)",
        "the ratio of a cycle is that of the way back",
    ),
    Fault(
        "declaring/sums.py",
        'getattr(params, f"g_{name}") for name in self.names[1:]',
        'getattr(params, f"g_{self.names[-1]}") for name in self.names[1:]',
        "all parts of a sum have the relative conductance of the last",
    ),
    Fault(
        "declaring/scheme.py",
        "left = [getattr(y, state) for state in states[1:]]",
        "left = [getattr(y, state) for state in reversed(states[1:])]",
        "the states of a scheme change places in its equations",
    ),
    Fault(
        "declaring/expression.py",
        "found = found / _total(terms, values)",
        "found = found / sum(_total((term,), values) for term in terms[:1])",
        "of a sum that divides only the first term counts",
    ),
    # runs
    Fault(
        "runs/events.py",
        'latest = xp.searchsorted(spike_times, times, side="right")',
        'latest = xp.searchsorted(spike_times, times, side="left")',
        "a spike at the time of a sample does not count",
    ),
    Fault(
        "runs/events.py",
        "spike_times, times = (xp.asarray(t, dtype if traced else float) for t in (spike_times, times))",
        'spike_times, times = (xp.asarray(t, dtype if traced else "float32") for t in (spike_times, times))',
        "times are subtracted in float32",
    ),
    Fault(
        "runs/grid.py",
        "kept = jax.vmap(lambda *gs: kernel.total(ready.relative, gs))(*kept)",
        "kept = jax.vmap(lambda *gs: kernel.total(ready.relative, gs[::-1]))(*kept)",
        "the parts of a sum change places where their g are added up",
    ),
    Fault(
        "runs/currents.py",
        "return _current(g_max * g * (V - E), has_units)",
        "return _current(g_max * g * (E - V), has_units)",
        "a membrane current has the wrong sign",
    ),
    # kernels
    Fault(
        "kernels/bionmda.py",
        '"g": p.alpha1 * y.x * (1 - y.g) - p.beta1 * y.g,',
        '"g": p.alpha1 * y.x * (1 - y.g) - p.beta2 * y.g,',
        "g of bionmda closes with the rate of x",
    ),
    Fault(
        "kernels/dual_expon.py",
        "return p.tau_decay * xp.exp(-1 / phi(-log_ratio))",
        "return p.tau_rise * xp.exp(-1 / phi(-log_ratio))",
        "the peak of dual_expon is computed with the other time constant",
    ),
    # schemes
    Fault(
        "schemes/nmda_receptors.py",
        "kb_open*block, ku_open*unblock",
        "kb_open*unblock, ku_open*block",
        "magnesium blocks where it should leave",
    ),
    Fault(
        "schemes/gaba_receptors.py",
        "return y.G**4 / (y.G**4 + p.KD)",
        "return y.G**2 / (y.G**2 + p.KD)",
        "two G proteins open a GABA-B channel, and not four",
    ),
    # events
    Fault(
        "events/deconvolution.py",
        "weights=sizes / template.peak",
        "weights=sizes * template.peak",
        "weights of events are multiplied by the peak of their response",
    ),
    Fault(
        "events/search.py",
        "shifts[i] = 0.5 * (after - before)",
        "shifts[i] = 0.5 * (before - after)",
        "events are moved the wrong way between two samples",
    ),
    # fitting
    Fault(
        "fitting/search/objective.py",
        "jacobian[:, :, by_scale] *= own",
        "jacobian[:, :, by_scale] += 0 * own",
        "slopes of a fit lack the scale",
    ),
    Fault(
        "fitting/uncertainty/standard_errors.py",
        "errors = sigma * np.sqrt(correlated) / np.maximum",
        "errors = sigma / np.maximum",
        "errors of a fit take correlated noise for white",
    ),
    Fault(
        "fitting/problem.py",
        "**{name: found[other] for name, other in self.ties}",
        "**{name: getattr(self.params, name) for name, other in self.ties}",
        "a tied parameter keeps the value that it began with",
    ),
    # objects
    Fault(
        "objects/synapse.py",
        "if params is self._params and (last is dt or (is_concrete(dt) and last == dt)):",
        "if params is self._params:",
        "an object goes on with the coefficients of an earlier dt",
    ),
    Fault(
        "objects/synapse.py",
        "self._clock = t + len(train) * step",
        "self._clock = t + (len(train) - 1) * step",
        "the time of an object is one step behind after a run",
    ),
    # plot
    Fault(
        "plot/curves.py",
        "up[0.1], up[0.9], None, GREEN",
        "up[0.1], up[0.5], None, GREEN",
        "the rise that is drawn ends at half of the peak",
    ),
    Fault(
        "plot/diagram.py",
        "color = BLUE if arrow.binds else BLACK",
        "color = BLACK if arrow.binds else BLUE",
        "arrows of binding have the colour of the others",
    ),
    # adapters
    Fault(
        "adapters/jaxley.py",
        'fired = above & (states[key("above")] < 0.5)',
        "fired = above",
        "a voltage above the threshold is a spike in every step",
    ),
    Fault(
        "adapters/brainstate/synapse.py",
        "return self._g_unit * (units.unit_of(name) / u.mS)",
        "return self._g_unit",
        "a state in mS*ms has the unit of g",
    ),
    # cli
    Fault(
        "cli/simulate/spikes.py",
        "steps = np.minimum(nearest(spikes, dt), _LATEST) - at_end",
        "steps = np.minimum(nearest(spikes, dt), _LATEST)",
        "an input of a linear kernel acts a step late in `simulate` of the command line",
    ),
    Fault(
        "cli/measure.py",
        "return before.traces.std(axis=1, ddof=1)",
        "return before.traces.std(axis=1)",
        "the noise that `measure` prints is not that of a sample",
    ),
    # what stands beside the folders
    Fault(
        "presets.py",
        "params=ampa.Params(alpha=0.072, beta=0.0066, T=1.0, T_dur=1.0)",
        "params=ampa.Params(alpha=0.072, beta=0.066, T=1.0, T_dur=1.0)",
        "a published rate is off by a factor of 10",
    ),
)
