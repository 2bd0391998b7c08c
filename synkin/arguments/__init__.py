"""Checks of arguments: units are removed; kind, shape and values are checked.

    bind                all arguments of a public function at once: every public function begins with one of these
    units               quantities of saiunit become plain arrays, and results quantities again
    known               which values are concrete, and which are traced
    numbers             numbers and arrays: conversion, range, shape and dtype
    times               times in ms: of spikes, samples, steps and delays
    option_values       the values that options may have
    choices             options, flags, functions, random keys, kernels
    inputs              what a spike does: checks of spikes and weights by kind of input
    declaration         the part of a kernel's declaration that checks read
    params_and_states   a kernel's parameters and states
    fields              meaning and unit of a field, written beside its type
    messages            words for messages: what a value is, what a class is called

The message about a wrong argument is one sentence: what was expected, and what was given. Shapes, dtypes and names are
checked whenever a function is traced. Values are checked if they are concrete, by NumPy: only `concrete_value` and
`holds_for_known` read them, because a call of ``jnp`` is staged under ``jax.jit`` even on a concrete array. If a value
is traced, no error can be raised, and this happens instead:

| invalid traced value | would be refused by | what happens |
| --- | --- | --- |
| a parameter out of range | `check_params`, `aligned_params` | NaN, by `nan_if_invalid`, `nan_if_invalid_state` |
| parameters that make a rate negative | `check_params` | NaN in the rates of the gate |
| ``dt`` not positive, infinite or NaN | `check_dt` | NaN, by `nan_if_invalid_dt` |
| a weight that is NaN or infinite | `check_weights`, `check_values` | NaN or inf |
| spikes of a receptor's run that are neither 0 nor 1 | `check_train` | NaN from the start, by `nan_if_invalid_state` |
| the spike of a receptor's step that is neither 0 nor 1 | `check_spike` | NaN, by `nan_if_invalid_state` |
| a receptor's spike that has a derivative | never | `check_values` raises when it is differentiated |
| spike times that are not sorted | never | right: they are sorted |
| a concentration that is negative, infinite or NaN | `check_concentration` | NaN |
| a time that is NaN, -inf, or inf that is no padding | `check_times` | NaN, by `nan_if_invalid_times` |
| edges that are not in the order of time | `check_in_order` | NaN, by `nan_if_unordered` |
| a delay that is negative or not finite | `check_delay`, `check_delays` | NaN |
| a time before ``t0``, or ``t0`` not finite | `check_not_before`, `check_number` | NaN, by `nan_if_invalid_times` |
| a state that is not finite | never, as NaN may be intended | NaN or inf |
| ``t``, and ``t0`` of a run on a grid | `check_number` | right: no kernel needs them |
| an option or count that decides how to compute | `check_whole`, `check_choice`, `check_flag` | an error all the same |
| a value for a computation outside JAX, as in a fit | `as_float64` | an error all the same |

An array of which this process holds only a part is treated like a traced one.
"""
