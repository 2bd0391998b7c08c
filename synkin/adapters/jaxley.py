"""Kernels as synapses of jaxley: `KernelSynapse`, with the extra ``jaxley``.

In jaxley a synapse is given the voltage of the presynaptic compartment, not spikes, and its current is in nA: a
conductance in uS, here ``gS`` times the kernel's g, times mV. It works with jaxley's `connect`, `set`, `record`,
`make_trainable`, and gradients through `jaxley.integrate`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from synkin.arguments import units
from synkin.arguments.choices import check_flag, check_function, check_kernel
from synkin.arguments.known import is_concrete
from synkin.arguments.messages import describe
from synkin.arguments.numbers import check_number
from synkin.arguments.params_and_states import aligned_params, check_params
from synkin.arguments.varying import check_names, transmitter_varies
from synkin.declaring.declare import field_g
from synkin.declaring.kernel import Kernel
from synkin.solving.carry import Carry, count_of_next
from synkin.solving.first_carry import carry_from_count
from synkin.solving.stepper import Stepper, stepper

try:
    from jaxley.synapses import Synapse
except ModuleNotFoundError as error:
    if error.name is None or error.name.partition(".")[0] != "jaxley":
        raise
    raise ImportError(
        "synkin.adapters.jaxley needs jaxley, which is not installed: `pip install 'synkin[jaxley]'` adds it."
    ) from None

_OWN_PARAMETERS = ("gS", "e_syn", "v_th")

OfVoltages = Callable[[Array, Array], ArrayLike]
"""A function of the presynaptic and the postsynaptic voltage in mV, each (n,)."""


class KernelSynapse(Synapse):
    """A kernel as a synapse of jaxley, to be given to `jaxley.connect`: one object for all synapses of a kind.

    There is a spike when the presynaptic voltage crosses ``v_th`` upward: when it is below ``v_th`` at one step of the
    solver, and at or above it at the next. The spike acts at the time of that next step. In a receptor a pulse of
    transmitter begins, and replaces one that has not ended; a linear kernel gets an input of 1. With "exact" g is that
    of `synkin.respond` at every step, up to rounding, also if ``T_dur`` is not a multiple of the step. A voltage that
    is above ``v_th`` at the start does not count as a crossing.

    In a jaxley network a synapse with the name "ampa" has:

    - parameters: ``ampa_gS`` (uS), ``ampa_e_syn`` and ``ampa_v_th`` (mV), and those of the kernel, such as
      ``ampa_beta``, but for those that vary; with ``shared`` none of the kernel's.
    - states: the kernel's variables, ``ampa_g``; ``ampa_above``, 1 if the voltage was at or above ``v_th``; and
      for a receptor ``ampa_steps_left``, the number of steps for which there will still be transmitter, in place of the
      kernel's ``pulse_left``. A run that starts from the states of another run must have the same step. Each part of a
      sum has its own: ``ampa_nmda5_nmda5_steps_left`` if the name is "ampa_nmda5".
    - ``ampa_g``, the kernel's conductance: 0 to 1 for a receptor; for a linear kernel the response to spikes of weight
      1, so that ``gS`` is the weight. If a kernel has a variable g that is not its conductance, the conductance is
      ``ampa_conductance``.

    The current can be differentiated with respect to all parameters and both voltages. You cannot differentiate with
    respect to whether a spike occurs: derivatives through ``v_th``, and through the presynaptic voltage that makes a
    spike, are 0.

    Example:
        >>> import jaxley
        >>> from jaxley.connect import connect
        >>> from synkin.adapters.jaxley import KernelSynapse
        >>> cell = jaxley.Cell([jaxley.Branch(jaxley.Compartment(), ncomp=1)], parents=[-1])
        >>> network = jaxley.Network([cell, cell])
        >>> synapse = KernelSynapse(synkin.ampa, synkin.ampa.Params(T=1.0), gS=1e-3)
        >>> connect(network[0, 0, 0], network[1, 0, 0], synapse)
        >>> print(network.edges[["ampa_gS", "ampa_alpha"]].to_string(index=False))
         ampa_gS  ampa_alpha
           0.001        0.98
    """

    def __init__(
        self,
        kernel: Kernel,
        params: NamedTuple | None = None,
        *,
        gS: float = 1e-4,
        e_syn: float = 0.0,
        v_th: float = 0.0,
        method: str | None = None,
        overlap: str = "restart",
        block: Callable[[Array], ArrayLike] | None = None,
        varying: Mapping[str, OfVoltages] | None = None,
        shared: bool = False,
        name: str | None = None,
    ) -> None:
        """The values that all synapses have until they are changed by jaxley's `set` or `make_trainable`.

        Args:
            kernel: a kernel such as `synkin.ampa`, one of `synkin.schemes`, a sum of kernels, or one of your own.
            params: its ``Params``, scalars; by default those of the kernel. Synapses begin at rest.
            gS: the maximal conductance in uS, 0 or more; for a linear kernel the weight of a spike. The default is that
                of jaxley.
            e_syn: reversal potential in mV.
            v_th: the threshold in mV that the presynaptic voltage crosses at a spike. The default is 0, as in the NMODL
                files of Destexhe, Mainen and Sejnowski (ModelDB 18500).
            method: "exact" or "exp_euler"; by default "exact" if the kernel has it. With "exact" pulses may end within
                a step, and derivatives with respect to ``T_dur`` are right.
            overlap: for a receptor: what a spike during a pulse does. "restart": the pulse begins again. "ignore":
                nothing.
            block: a function of the postsynaptic voltage in mV, by which g is multiplied: for NMDA receptors
                `synkin.currents.mg_block`, or a `functools.partial` of it. For a sum it multiplies all parts.
            varying: parameters that depend on the voltages, by name: functions of the presynaptic and the postsynaptic
                voltage, as ``{"V": lambda pre, post: post}`` for a channel that magnesium blocks. During a step they
                have the value at its start. If T varies, as at a graded synapse, there are no spikes. For a scheme set
                ``shared=True``, too.
            shared: True: all synapses have the kernel's parameters as given here, and these are not parameters in
                jaxley. What depends only on them and on the step is then computed once, and a scheme with V in
                ``varying`` uses a table from -120 to 80 mV; outside of it g is NaN. False: each synapse has its own
                parameters. A scheme with parameters that vary then computes a matrix exponential for each synapse in
                each step, which is slow.
            name: the name of the synapse in jaxley, with which the names of its parameters and states begin; by default
                that of the kernel, such as "ampa_nmda5" for ampa + nmda5. Two kinds of synapses in one network need two
                names.

        Raises:
            TypeError, ValueError: an argument of the wrong kind, shape, range or dimension, or a parameter or variable
                of the kernel has a name that a synapse of jaxley already uses.
        """
        check_kernel(kernel)
        if method is None and "exact" in kernel.methods:
            method = "exact"
        kernel.check_options(method, overlap)
        if block is not None:
            check_function("block", block)
        if name is not None and not (isinstance(name, str) and name.isidentifier()):
            raise ValueError(f"Argument `name` must be a Python identifier, but is {describe(name)}.")
        params = check_params(units.params(kernel, kernel.Params() if params is None else params), (), kernel)
        varying = dict(varying or {})
        T_varies = transmitter_varies(kernel, check_names(kernel, varying))
        for field, function in varying.items():
            check_function(f"varying[{field!r}]", function)
        own = {
            "gS": check_number("gS", gS, lambda v: np.isfinite(v) and v >= 0, "a finite number of uS, 0 or more"),
            "e_syn": check_number("e_syn", e_syn, np.isfinite, "a finite number of mV"),
            "v_th": check_number("v_th", v_th, np.isfinite, "a finite number of mV"),
        }
        super().__init__(name or kernel.name.replace("+", "_"))
        self.kernel, self.method, self.overlap, self.block = kernel, method, overlap, block
        self.varying, self.shared, self.params = varying, check_flag("shared", shared), params
        self._own = tuple(field for field in kernel.Params._fields if not (shared or field in varying))
        self._spikes = not T_varies
        self.conductance = "g" if "g" not in kernel.order or kernel.conductance is field_g else "conductance"
        at_rest = kernel.init(params, ())
        y = tuple(getattr(at_rest, field) for field in kernel.order)
        states = dict(zip(kernel.order, y, strict=True)) | {"above": 1.0}
        states[self.conductance] = kernel.conductance_of(aligned_params(params, y[0], kernel), y)
        self._pulses = tuple(
            field.removesuffix("pulse_left") + "steps_left"
            for field in kernel.State._fields
            if field not in kernel.order and not T_varies
        )
        states |= dict.fromkeys(self._pulses, 0.0)
        taken = {*_OWN_PARAMETERS, "above", *self._pulses} & {*self._own, *kernel.order}
        taken |= {*self._own} & {*states}
        if taken:
            raise ValueError(f"Kernel `{kernel.name}` must not have the name `{min(taken)}` twice in jaxley, but has.")
        own |= {field: getattr(params, field) for field in self._own}
        self.synapse_params = {self._key(key): float(value) for key, value in own.items()}
        self.synapse_states = {self._key(key): float(value) for key, value in states.items()}

    def update_states(
        self,
        states: dict[str, Array],
        delta_t: ArrayLike,
        pre_voltage: Array,
        post_voltage: Array,
        params: dict[str, Array],
    ) -> dict[str, Array]:
        """One step of all synapses, for jaxley.

        Args:
            states: at the start of the step, each (n,).
            delta_t: ms.
            pre_voltage, post_voltage: at the start of the step, (n,) mV.
            params: each (n,).

        Returns:
            The states at the end of the step.
        """
        kernel, key, dtype = self.kernel, self._key, pre_voltage.dtype
        own = self.params._replace(**{field: params[key(field)] for field in self._own})
        y = {field: states[key(field)] for field in kernel.order}
        above = pre_voltage >= params[key("v_th")]
        fired = above & (states[key("above")] < 0.5)
        options: dict[str, Any] = {"method": self.method, "overlap": self.overlap, "dtype": dtype}
        make = partial(stepper, kernel, own, delta_t, varying=tuple(self.varying), **options)
        if self.shared and is_concrete(delta_t):
            with jax.ensure_compile_time_eval():
                ready = jax.jit(make)()
        else:
            # This depends only on parameters and delta_t, so that XLA moves it out of jaxley's loop.
            ready = make()
        for field in kernel.inputs:
            y[field] = y[field] + fired.astype(dtype)  # from the start of the step, as a receptor's pulse
        # The rest of a pulse is passed from step to step as a whole number of steps, which stays exact.
        counts = [2 * states[key(field)].astype(jnp.int32) for field in self._pulses]
        spike = jnp.zeros_like(fired) if kernel.input.takes_weights else fired
        values = {field: of(pre_voltage, post_voltage) for field, of in self.varying.items()}
        carry, g = ready.step(_carry(ready, y, counts), spike if self._spikes else None, **values)
        new = dict(zip(kernel.order, carry.y, strict=True)) | {self.conductance: g, "above": above.astype(dtype)}
        for field, count in zip(self._pulses, jax.tree.leaves(list(map(count_of_next, carry.parts))), strict=True):
            new[field] = (count // 2).astype(dtype)
        return {key(field): value for field, value in new.items()}

    def compute_current(
        self, states: dict[str, Array], pre_voltage: Array, post_voltage: Array, params: dict[str, Array]
    ) -> Array:
        """The current of each synapse in nA, outward positive, for jaxley; shapes as in `update_states`."""
        g = params[self._key("gS")] * states[self._key(self.conductance)]
        if self.block is not None:
            g = g * self.block(post_voltage)
        return g * (post_voltage - params[self._key("e_syn")])

    def _key(self, field: str) -> str:
        return f"{self._name}_{field}"


def _carry(stepper: Stepper, y: dict[str, Array], counts: list[Array]) -> Carry:
    """A carry with these variables, by name, and these counts, one for the pulse of each part if there are pulses."""
    variables, each = iter(y.values()), iter(counts)
    carry: Carry = stepper.joined(
        carry_from_count(part, tuple(itertools.islice(variables, len(part.kernel.order))), next(each, None))
        for part in stepper.parts
    )
    return carry
