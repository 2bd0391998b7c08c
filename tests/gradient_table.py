"""Print the relative error of every gradient against central differences, in float64: python tests/gradient_table.py

The points, losses and differences are those of `test_gradients.py`.
"""

import differences
import jax.numpy as jnp
import numpy as np
import test_gradients
from conftest import enable_x64

import synkin


def errors(kernel, driver):
    """Worst of reverse and forward mode for each parameter, over the larger of it and 1e-3 of the largest."""
    loss, x = test_gradients.weighted(driver(kernel)), test_gradients.random_params(kernel)
    expected = np.asarray(differences.gradient(loss, x))
    scale = np.maximum(np.abs(expected), 1e-3 * np.abs(expected).max())
    both = test_gradients.both_ways(loss)(jnp.asarray(x))
    return np.max([np.abs(np.asarray(gradient) - expected) / scale for gradient in both], axis=0)


def main():
    print(f"{'kernel':<11} {'parameter':<10} {'simulate':>9} {'respond':>9}")
    for name, kernel in synkin.KERNELS.items():
        columns = [errors(kernel, driver) for driver in (test_gradients.simulated, test_gradients.responded)]
        for field, simulated, responded in zip(kernel.Params._fields, *columns, strict=True):
            print(f"{name:<11} {field:<10} {simulated:9.1e} {responded:9.1e}", flush=True)


if __name__ == "__main__":
    with enable_x64():
        main()
