"""How often the onset is found, of synthetic recordings whose spikes come up to 5 ms earlier or later than was said.

    python -m tests.helpers.onset_table [N] [KERNEL ...]   of N recordings each, 100 by default, noise 1 % of the height

Found is what lies within half a sample, 0.05 ms, of where it is.
"""

import os
import sys

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import numpy as np

import synkin
from tests.fitting.test_fit_onset import DT, SPIKE, found, noisy, response


def main(number, names):
    print(f"of {number} recordings each, found to half a sample:")
    for name in names:
        kernel, rng = synkin.KERNELS[name], np.random.default_rng(11)
        off = []
        for _ in range(number):
            shift = rng.uniform(-5, 5)
            trace = noisy(-30 * response(kernel, kernel.Params(), [SPIKE + shift]), rng)
            off.append(abs(found(kernel, [SPIKE], trace, starts=12).onset - shift))
        print(f"    {name:12}{np.sum(np.array(off) <= DT / 2):5}, the largest error {max(off):.3f} ms", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100, sys.argv[2:] or [*synkin.KERNELS])
