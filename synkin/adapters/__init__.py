"""Kernels in other frameworks: one module each, none is imported unless asked for."""
