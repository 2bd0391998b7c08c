"""Compiled loops over the same data, by hand: what this machine can do.

Blocks of synapses, whose state stays in the first cache, are shared out among the threads; a block goes through time
once, and the loops within a block become vector instructions. Everything is float32: a plain 1.0 or 2 in an expression
would make it float64, hence the named constants. A row of spikes is sliced first: indexed as [i, start + j], whose sign
the compiler cannot know, it would be read byte by byte.
"""

import numba
import numpy as np

numba.config.THREADING_LAYER = "workqueue"  # its threads sleep between calls, and do not disturb what is timed next

WIDEST = 2_048  # synapses a block
WIDEST_KEPT = 64  # where all of a block's steps are kept for the way back

ZERO, HALF, ONE, TWO = np.float32(0), np.float32(0.5), np.float32(1), np.float32(2)
LOG2_E = np.float32(np.log2(np.e))
EXPONENT_BIAS, EXPONENT_UNIT = np.float32(127), np.float32(2**23)
# 2**f = 1 + f (c1 + f (c2 + ...)) for f in [-1/2, 1/2]: ln(2)**k / k!
C1, C2, C3, C4, C5, C6 = (np.float32(c) for c in np.cumprod(np.log(2) / np.arange(1, 7)))


def width(synapses, widest):
    """Synapses a block: each thread has one at least."""
    return min(widest, -(-synapses // numba.get_num_threads()))


_compile = numba.njit(parallel=True, fastmath=True, error_model="numpy")
_compile_serial = numba.njit(fastmath=True, error_model="numpy")


@_compile
def first_order(width, spikes, steps, a_on, b_on, a_off, sums, trace):
    """g <- a g + b. ``sums`` (blocks, T) or ``trace`` (T, N) is filled; the other is empty."""
    T, N = spikes.shape
    for block in numba.prange((N + width - 1) // width):
        start = block * width
        n = min(width, N - start)
        g, left = np.zeros(n, np.float32), np.zeros(n, np.float32)
        for i in range(T):
            spike = spikes[i, start : start + n]
            total = ZERO
            for j in range(n):
                k = steps if spike[j] else left[j]
                a = a_on if k > ZERO else a_off
                b = b_on if k > ZERO else ZERO
                left[j] = max(k - ONE, ZERO)
                g[j] = a * g[j] + b
                total += g[j]
            _keep(i, block, start, g, total, sums, trace)


@_compile
def cascade(width, spikes, steps, a_on, b_on, a_off, alpha1, beta1, dt, sums, trace):
    """bionmda: x <- a x + b, then g from the new x, with one exponential."""
    T, N = spikes.shape
    for block in numba.prange((N + width - 1) // width):
        start = block * width
        n = min(width, N - start)
        x, g, left = np.zeros(n, np.float32), np.zeros(n, np.float32), np.zeros(n, np.float32)
        part = np.empty(n, np.float32)
        bits = np.empty(n, np.int32)
        power = bits.view(np.float32)
        for i in range(T):
            spike = spikes[i, start : start + n]
            for j in range(n):
                k = steps if spike[j] else left[j]
                a = a_on if k > ZERO else a_off
                b = b_on if k > ZERO else ZERO
                left[j] = max(k - ONE, ZERO)
                x[j] = a * x[j] + b
                part[j], bits[j] = _exp_parts(-(alpha1 * x[j] + beta1) * dt)
            total = ZERO
            for j in range(n):
                opening = alpha1 * x[j]
                settled = opening / (opening + beta1)
                g[j] = settled + (g[j] - settled) * part[j] * power[j]
                total += g[j]
            _keep(i, block, start, g, total, sums, trace)


@_compile
def alpha(width, spikes, decay, drive, sums, trace):
    """g <- decay g + drive h, h <- decay h + input."""
    T, N = spikes.shape
    for block in numba.prange((N + width - 1) // width):
        start = block * width
        n = min(width, N - start)
        g, h = np.zeros(n, np.float32), np.zeros(n, np.float32)
        for i in range(T):
            spike = spikes[i, start : start + n]
            total = ZERO
            for j in range(n):
                weight = ONE if spike[j] else ZERO
                g[j] = decay * g[j] + drive * h[j]
                h[j] = decay * h[j] + weight
                total += g[j]
            _keep(i, block, start, g, total, sums, trace)


@_compile_serial
def first_order_one(spikes, steps, a_on, b_on, a_off):
    """The trace of one synapse, (T,): nothing to share out, and the state in registers."""
    g, left = ZERO, ZERO
    trace = np.empty(len(spikes), np.float32)
    for i in range(len(spikes)):
        left = steps if spikes[i] else left
        on = left > ZERO
        g = (a_on if on else a_off) * g + (b_on if on else ZERO)
        left = max(left - ONE, ZERO)
        trace[i] = g
    return trace


@_compile_serial
def cascade_one(spikes, steps, a_on, b_on, a_off, alpha1, beta1, dt):
    """As `first_order_one`."""
    x, g, left = ZERO, ZERO, ZERO
    trace = np.empty(len(spikes), np.float32)
    for i in range(len(spikes)):
        left = steps if spikes[i] else left
        on = left > ZERO
        x = (a_on if on else a_off) * x + (b_on if on else ZERO)
        left = max(left - ONE, ZERO)
        opening = alpha1 * x
        settled = opening / (opening + beta1)
        g = settled + (g - settled) * np.exp(-(opening + beta1) * dt)
        trace[i] = g
    return trace


@_compile_serial
def alpha_one(spikes, decay, drive):
    """As `first_order_one`."""
    g, h = ZERO, ZERO
    trace = np.empty(len(spikes), np.float32)
    for i in range(len(spikes)):
        g = decay * g + drive * h
        h = decay * h + (ONE if spikes[i] else ZERO)
        trace[i] = g
    return trace


@_compile
def first_order_gradient(width, spikes, steps, a_on, b_on, a_off, sums):
    """Per block, (loss, d a_on, d b_on, d a_off) of the sum of g squared."""
    T, N = spikes.shape
    for block in numba.prange(len(sums)):
        start = block * width
        n = min(width, N - start)
        g = np.zeros((T + 1, n), np.float32)
        on = np.empty((T, n), np.float32)
        left, adjoint = np.zeros(n, np.float32), np.zeros(n, np.float32)
        for i in range(T):
            spike = spikes[i, start : start + n]
            total = ZERO
            for j in range(n):
                k = steps if spike[j] else left[j]
                w = ONE if k > ZERO else ZERO
                on[i, j] = w
                left[j] = max(k - ONE, ZERO)
                g[i + 1, j] = (a_off + w * (a_on - a_off)) * g[i, j] + w * b_on
                total += g[i + 1, j] * g[i + 1, j]
            sums[block, 0] += total
        for i in range(T - 1, -1, -1):
            d_a_on, d_b_on, d_a = ZERO, ZERO, ZERO
            for j in range(n):
                lam = adjoint[j] + TWO * g[i + 1, j]
                w = on[i, j]
                d_a += lam * g[i, j]
                d_a_on += w * lam * g[i, j]
                d_b_on += w * lam
                adjoint[j] = (a_off + w * (a_on - a_off)) * lam
            sums[block, 1] += d_a_on
            sums[block, 2] += d_b_on
            sums[block, 3] += d_a - d_a_on


@_compile
def cascade_gradient(width, spikes, steps, a_on, b_on, a_off, alpha1, beta1, dt, sums):
    """Per block, (loss, d a_on, d b_on, d a_off, d alpha1, d beta1) of the sum of g squared."""
    T, N = spikes.shape
    for block in numba.prange(len(sums)):
        start = block * width
        n = min(width, N - start)
        x, g = np.zeros((T + 1, n), np.float32), np.zeros((T + 1, n), np.float32)
        on, decay = np.empty((T, n), np.float32), np.empty((T, n), np.float32)
        left, part = np.zeros(n, np.float32), np.empty(n, np.float32)
        bits = np.empty(n, np.int32)
        power = bits.view(np.float32)
        adjoint_x, adjoint_g = np.zeros(n, np.float32), np.zeros(n, np.float32)
        for i in range(T):
            spike = spikes[i, start : start + n]
            for j in range(n):
                k = steps if spike[j] else left[j]
                w = ONE if k > ZERO else ZERO
                on[i, j] = w
                left[j] = max(k - ONE, ZERO)
                x[i + 1, j] = (a_off + w * (a_on - a_off)) * x[i, j] + w * b_on
                part[j], bits[j] = _exp_parts(-(alpha1 * x[i + 1, j] + beta1) * dt)
            total = ZERO
            for j in range(n):
                opening = alpha1 * x[i + 1, j]
                settled = opening / (opening + beta1)
                decay[i, j] = part[j] * power[j]
                g[i + 1, j] = settled + (g[i, j] - settled) * decay[i, j]
                total += g[i + 1, j] * g[i + 1, j]
            sums[block, 0] += total
        for i in range(T - 1, -1, -1):
            d_a_on, d_b_on, d_a, d_alpha1, d_beta1 = ZERO, ZERO, ZERO, ZERO, ZERO
            for j in range(n):
                lam = adjoint_g[j] + TWO * g[i + 1, j]
                w, e = on[i, j], decay[i, j]
                opening = alpha1 * x[i + 1, j]
                inverse = ONE / (opening + beta1)
                settled = opening * inverse
                d_rate = -lam * (g[i, j] - settled) * dt * e
                d_settled = lam * (ONE - e) * inverse * inverse
                d_opening = d_rate + d_settled * beta1
                d_beta1 += d_rate - d_settled * opening
                d_alpha1 += d_opening * x[i + 1, j]
                mu = adjoint_x[j] + d_opening * alpha1
                d_a += mu * x[i, j]
                d_a_on += w * mu * x[i, j]
                d_b_on += w * mu
                adjoint_x[j] = (a_off + w * (a_on - a_off)) * mu
                adjoint_g[j] = e * lam
            sums[block, 1] += d_a_on
            sums[block, 2] += d_b_on
            sums[block, 3] += d_a - d_a_on
            sums[block, 4] += d_alpha1
            sums[block, 5] += d_beta1


@_compile
def alpha_gradient(width, spikes, decay, drive, sums):
    """Per block, (loss, d decay, d drive) of the sum of g squared."""
    T, N = spikes.shape
    for block in numba.prange(len(sums)):
        start = block * width
        n = min(width, N - start)
        g, h = np.zeros((T + 1, n), np.float32), np.zeros((T + 1, n), np.float32)
        adjoint_g, adjoint_h = np.zeros(n, np.float32), np.zeros(n, np.float32)
        for i in range(T):
            spike = spikes[i, start : start + n]
            total = ZERO
            for j in range(n):
                weight = ONE if spike[j] else ZERO
                g[i + 1, j] = decay * g[i, j] + drive * h[i, j]
                h[i + 1, j] = decay * h[i, j] + weight
                total += g[i + 1, j] * g[i + 1, j]
            sums[block, 0] += total
        for i in range(T - 1, -1, -1):
            d_decay, d_drive = ZERO, ZERO
            for j in range(n):
                lam = adjoint_g[j] + TWO * g[i + 1, j]
                mu = adjoint_h[j]
                d_decay += lam * g[i, j] + mu * h[i, j]
                d_drive += lam * h[i, j]
                adjoint_g[j] = decay * lam
                adjoint_h[j] = decay * mu + drive * lam
            sums[block, 1] += d_decay
            sums[block, 2] += d_drive


@numba.njit(inline="always")
def _keep(i, block, start, g, total, sums, trace):
    if trace.size > 0:
        trace[i, start : start + len(g)] = g
    else:
        sums[block, i] = total


@numba.njit(inline="always", fastmath=True)
def _exp_parts(z):
    """exp(z) as a factor and the bits of a power of two."""
    y = z * LOG2_E
    whole = np.floor(y + HALF)
    f = y - whole
    factor = ONE + f * (C1 + f * (C2 + f * (C3 + f * (C4 + f * (C5 + f * C6)))))
    return factor, np.int32((whole + EXPONENT_BIAS) * EXPONENT_UNIT)
