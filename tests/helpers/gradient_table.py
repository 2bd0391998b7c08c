"""Print the relative error of every gradient against central differences, in float64.

Run it: ``python -m tests.helpers.gradient_table``.
The points, losses and differences are those of `test_gradients.py`.
"""

import numpy as np

import synkin
from tests.contract import test_gradients
from tests.helpers.precision import enable_x64


def errors(kernel, driver):
    """Worst of reverse and forward mode for each parameter, over the larger of it and 1e-3 of the largest."""
    reverse, forward, expected, _, _ = test_gradients.measured(kernel, driver, test_gradients.random_params(kernel))
    scale = np.maximum(np.abs(expected), 1e-3 * np.abs(expected).max())
    return np.max([np.abs(np.asarray(gradient) - expected) / scale for gradient in (reverse, forward)], axis=0)


def main():
    print(f"{'kernel':<11} {'parameter':<10} {'simulate':>9} {'respond':>9}")
    for name, kernel in synkin.KERNELS.items():
        columns = [errors(kernel, driver) for driver in test_gradients.DRIVERS]
        for field, simulated, responded in zip(kernel.Params._fields, *columns, strict=True):
            print(f"{name:<11} {field:<10} {simulated:9.1e} {responded:9.1e}", flush=True)


if __name__ == "__main__":
    with enable_x64():
        main()
