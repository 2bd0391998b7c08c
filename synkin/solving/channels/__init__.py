"""Receptors one by one: how many of a population are in each state.

population   which kernels describe a population; its rates, its rest, and the conductance of its states
draws        how many receptors go from state to state, drawn at random
stepper      a population made ready for one dt: `synkin.stepper` with ``channels``
"""
