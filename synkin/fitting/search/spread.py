"""Points that fill a cube evenly: where starts of a search lie."""

import numpy as np


def evenly_spread(number: int, axes: int) -> np.ndarray:
    """Points that fill the cube from -1 to 1 evenly, the first at its centre: (number, axes).

    Source: the additive recurrence of the generalised golden ratio, Roberts 2018, "The unreasonable effectiveness
    of quasirandom sequences".
    """
    ratio = 2.0
    for _ in range(50):
        ratio = (1 + ratio) ** (1 / (axes + 1))
    return 2 * ((0.5 + np.outer(np.arange(number), ratio ** -np.arange(1.0, axes + 1))) % 1) - 1
