"""The door through which arguments come in: units are taken off, and kind, shape and values are checked.

    units               quantities of saiunit become plain arrays, and g a quantity again
    fields              what is said of a field beside its type
    messages            what came in place of what was expected, for the end of a sentence
    known               whether a value is known now or traced
    numbers             numbers and arrays of any kind
    number_text         numbers in text
    choices             options, flags, functions, kernels
    shapes              shapes and dtypes
    params_and_states   a kernel's parameters and states
    times               times in ms: of spikes, samples, steps and delays
    inputs              what a spike does: spikes and weights, by kind of input
    declaration         what is declared of a kernel, as far as arguments are concerned
    bind                all arguments of a function at once

A wrong argument is one sentence: what was expected and what came. Shapes, dtypes and names are checked whenever a
function is traced. Values are checked where they are known, by NumPy: `concrete_value` is the one function that looks,
for a ``jnp`` call is staged under ``jax.jit`` even on an array whose numbers are there. Where a value is traced nothing
can be raised, and this is what becomes of it:

| what is not checked then | by | what happens |
| --- | --- | --- |
| a parameter out of range | `check_params`, `aligned_params` | NaN, by `nan_if_invalid`, `nan_if_invalid_state` |
| rates that parameters make negative, and the equations do not exclude | `check_params` | NaN, by `gate.rates` |
| ``dt`` not positive, infinite or NaN | `check_dt` | NaN, by `nan_if_invalid_dt` |
| a weight that is NaN or infinite | `check_weights`, `check_values` | NaN or inf |
| spikes of a receptor's run, neither 0 nor 1 | `check_train` | NaN from the start, by `nan_if_invalid_state` |
| the spike of a receptor's step that is neither 0 nor 1 | `check_spike` | NaN, by `nan_if_invalid_state` |
| a receptor's spike that has a derivative | never | refused where it is differentiated, by `check_values` |
| spike times that are not sorted | never | right: they are sorted |
| a concentration that is negative, infinite or NaN | `check_concentration` | NaN |
| a time that is NaN, -inf, or inf where it is no padding | `check_times` | NaN, by `nan_if_invalid_times` |
| edges that are not in the order of time | `check_in_order` | NaN, by `nan_if_unordered` |
| a delay that is negative or not finite | `check_delay`, `check_delays` | NaN |
| a time before ``t0``, or ``t0`` not finite | `check_not_before`, `check_number` | NaN, by `nan_if_invalid_times` |
| a state that is not finite | never, as NaN may be meant | NaN or inf |
| ``t``, and ``t0`` of a run on a grid | `check_number` | right: no kernel needs them |
| what decides how to compute | `check_whole`, `check_choice`, `check_flag` | refused where it is traced |
| what is computed outside JAX, as in a fit | `as_float64` | refused where it is traced |

An array of which this process holds a part alone is treated as a traced one, whatever kind of array it is.
"""
