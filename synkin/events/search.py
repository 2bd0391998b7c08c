"""Which events there are, when, and how large: events are added where the trace shows one, moved, and removed again.

Place ``n Q + q`` lies q/Q of an interval after sample n. Matches are compared in units of what noise adds to a match
(`filters`), so that a level is a number of standard deviations.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_solve, lapack, solve_triangular
from scipy.signal import find_peaks
from scipy.special import ndtri

from synkin.events.filters import Matched
from synkin.events.shapes import Misfit

# The number of rounds of adding, moving and leaving out, and of sweeps over all events in one round.
_ROUNDS, _SWEEPS = 8, 3
# Two events count as one if their responses overlap by this fraction.
_SAME = 0.98
# An event is independent of those before it if more than this fraction of its response is not a combination of theirs.
_OWN = 1e-6
# The number of places that are tried for a pair of events in place of one.
_TRIED = 40
# Events are neighbours if their responses overlap by this fraction; at most this many count on each side.
_NEIGHBOUR, _NEIGHBOURS = 0.05, 8
# What is left of an event may be so much more than what is left of the average.
_SURELY = 1.3
# The noise is at most so many times what it was before events were taken out.
_RAISED = 1.25
# Of an event that is subtracted, what is less than this fraction of its own match does not count.
_TINY = 1e-4
# Sizes that change by less than this fraction of the noise stay as they are in what is left.
_CHANGED = 0.01
# What is added to the diagonal of overlaps, so that those of events in the same place can be inverted.
_RIDGE = 1e-9
# The noise is at least this fraction of the best match: a trace without noise has rounding.
_LEAST_NOISE = 1e-3
# The noise comes from the distance between these two quantiles of the matches, on the side where there are no events,
# over their distance in Gaussian noise of standard deviation 1. Of more matches than this, only some are used.
_QUANTILES = (0.05, 0.3)
_QUANTILE_DISTANCE = float(np.diff(ndtri(_QUANTILES))[0])
_SAMPLED = 1_000_000


class Found(NamedTuple):
    """K events in the order of time."""

    places: np.ndarray  # (K,) whole numbers
    sizes: np.ndarray  # (K,) 0 or more, in units of the trace
    precision: np.ndarray  # (K,) 1 / variance of each size, for noise of variance 1
    shifts: np.ndarray  # (K,) to be added to the places, -0.5 to 0.5
    noise: float  # standard deviation of a match
    lowest: float  # the lowest match that is left, in standard deviations of the noise


NOTHING = Found(np.empty(0, int), np.empty(0), np.empty(0), np.empty(0), 1.0, 0.0)


class Rules(NamedTuple):
    """The criteria for an event."""

    threshold: float  # standard deviations of a match
    mismatch: float  # fraction of a match by which other responses may differ in shape
    step: int  # how many places an event may move in a sweep
    beside: float = 0.0  # the fraction of a match of events of the other sign


class Heights(NamedTuple):
    """The maxima of a match that are above the threshold, in standard deviations of the noise."""

    signed: np.ndarray  # (P,)
    usual: float  # the median height, weighted by heights: that of large events, if there are several


def heights_of(matched: Matched, threshold: float, kept: np.ndarray) -> Heights:
    """The maxima of a match in both directions, that of highest of neighbours."""
    scores = (matched.match[:, 0] / matched.norm[0]) * kept
    noise = min(_spread(side[kept]) for side in (scores, -scores))
    if noise == 0:
        return Heights(np.empty(0), 0.0)
    scores = scores / noise
    peaks, _ = find_peaks(np.abs(scores), threshold, distance=4 * _width(matched))
    if not peaks.size:  # all is noise: the largest of it
        peaks = np.array([np.abs(scores).argmax()])
    heights = np.sort(np.abs(scores[peaks]))
    return Heights(scores[peaks], float(heights[np.searchsorted(np.cumsum(heights), 0.5 * heights.sum())]))


def votes(heights: Heights) -> tuple[float, float]:
    """How much the heights speak for events that go up, and down.

    Each counts by its square, so that many small ones do not decide; but of a few large ones by no more than twice the
    usual height.
    """
    weights, up = np.minimum(np.abs(heights.signed), 2 * heights.usual) ** 2, heights.signed > 0
    return float(weights[up].sum()), float(weights[~up].sum())


def _width(matched: Matched) -> int:
    """The shortest distance in samples of two maxima of a match: where a response overlaps with itself by half."""
    own = matched.rows[0, :: len(matched.norm)]
    return max(1, int(np.flatnonzero(own[matched.reach :] < 0.5 * own[matched.reach])[0]))


def summed(shape: np.ndarray, first: np.ndarray, sizes: np.ndarray, count: int) -> np.ndarray:
    """The sum of shapes (W,) times their sizes, each from its first sample on, (count,)."""
    total = np.zeros(count)
    for n, size in zip(first, sizes, strict=True):
        start, end = max(n, 0), min(n + len(shape), count)
        total[start:end] += size * shape[start - n : end - n]
    return total


def too_much(found: Found, matched: Matched, misfit: Misfit | None) -> np.ndarray | None:
    """(M,) what is missing of the trace where events of another shape were taken out, as heights of matches."""
    if misfit is None or not found.places.size:
        return None
    count, phases = matched.match.shape
    where = found.places // phases - misfit.before
    return _SURELY * matched.norm[0] * summed(misfit.over, where, found.sizes, count)


def search(
    matched: Matched,
    rules: Rules,
    kept: np.ndarray | None = None,
    elsewhere: np.ndarray | None = None,
    misfit: Misfit | None = None,
    more: np.ndarray | None = None,
    start: np.ndarray | None = None,
    report: Callable[[float, int], object] = lambda part, events: None,
) -> Found:
    """The events of a trace in which all events are positive.

    Args:
        matched: the matches of the trace.
        rules: the criteria for an event.
        kept: (M,) the samples from which the noise is known; by default all.
        elsewhere: (M, Q) the matches of what was taken out of the trace before: events of the other sign.
        misfit: what the template leaves of an average event.
        more: (M,) what must be exceeded besides, as a height of a match.
        start: (K,) the places of events from which the search begins.
        report: is told after each round which part of all may be done, and how many events there are.
    """
    state = State(matched, rules, kept, elsewhere, misfit)
    if more is not None:
        state.beside = state.beside + np.repeat(more, state.phases)
    if start is not None and len(start):
        state.places = start
        state.settle()
    for n in range(_ROUNDS):
        before = state.places
        report(n / _ROUNDS, len(before))
        state.add()
        state.settle()
        if state.split():
            state.settle()
        if np.array_equal(before, state.places):
            break
    return state.found()


def _spread(scores: np.ndarray) -> float:
    """The standard deviation of the noise in the scores, from their lower part, in which there are no events."""
    if not scores.size:
        return 0.0
    some = scores[:: max(1, len(scores) // _SAMPLED)]
    low, high = np.quantile(some, _QUANTILES)
    return max(float(high - low) / _QUANTILE_DISTANCE, _LEAST_NOISE * float(np.abs(scores).max()))


class State:
    """The events so far, and the matches without them."""

    def __init__(
        self,
        matched: Matched,
        rules: Rules,
        kept: np.ndarray | None = None,
        elsewhere: np.ndarray | None = None,
        misfit: Misfit | None = None,
    ) -> None:
        self.matched, self.rules = matched, rules
        self.count, self.phases = matched.match.shape
        self.match = matched.match.ravel()
        self.left = self.match.copy()
        self.norm = np.tile(matched.norm, self.count)
        self.places, self.sizes = np.empty(0, int), np.empty(0)
        self.kept = None if kept is None or kept.all() else np.repeat(kept, self.phases)
        # What must be exceeded because of events of the other sign.
        zero = np.zeros(len(self.match))
        self.beside = zero if elsewhere is None else rules.beside * np.abs(elsewhere.ravel()) / self.norm
        self.taken: dict[int, float] = {}  # the sizes that are taken out of the matches, by place
        self.single: set[tuple[int, ...]] = set()  # events that are not two, with their neighbours
        self.misfit, self.largest = misfit, misfit.largest if misfit else 0.0
        self.width = self.phases * _width(matched)
        # The part of each row that is more than rounding: what is subtracted of an event.
        self.parts = []
        for row, norm in zip(matched.rows, matched.norm, strict=True):
            most = np.flatnonzero(np.abs(row) > _TINY * norm**2)
            self.parts.append((most[0] // self.phases, most[-1] // self.phases + 1))
        self.first_noise = self.noise = self._noise()

    def _noise(self) -> float:
        """The standard deviation of the noise, which events do not increase that have another shape than the template.

        What these leave is on both sides. So taking events out raises it by little.
        """
        scores = self.left / self.norm
        noise = _spread(scores if self.kept is None else scores[self.kept])
        return min(noise, _RAISED * self.first_noise) if len(self.places) else noise

    # An event and the matches around it

    def _around(self, place: int) -> tuple[slice, np.ndarray]:
        """The matches that an event at a place changes, and by how much if its size is 1."""
        n, phase = divmod(int(place), self.phases)
        start, end = self.parts[phase]
        zero = n - self.matched.reach
        first, last = max(zero + start, 0), min(zero + end, self.count)
        row = self.matched.rows[phase, (first - zero) * self.phases : (last - zero) * self.phases]
        return slice(first * self.phases, last * self.phases), row

    def _subtract(self, place: int, size: float) -> None:
        """Take an event out of the matches that are left."""
        inside, row = self._around(place)
        self.left[inside] -= size * row

    def _between(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """The overlap R of events at two places, element by element."""
        n, phase = np.divmod(first, self.phases)
        at = second - (n - self.matched.reach) * self.phases
        inside = (at >= 0) & (at < self.matched.rows.shape[1])
        return np.where(inside, self.matched.rows[phase, np.where(inside, at, 0)], 0.0)

    # The steps of a round

    def add(self) -> bool:
        """Add an event at each maximum of what is left that is above the threshold. Return whether there was any."""
        scores = self.left / self.norm
        self.noise = self._noise()
        # What is left near a large event may only be due to the shape of that event.
        level = self.rules.threshold * self.noise + self.rules.mismatch * np.maximum(
            (self.match - self.left) / self.norm, 0.0
        )
        level += self.beside + np.repeat(self._expected(), self.phases)
        # Padded, so that the first and the last place may be maxima.
        ends = (-np.inf, -np.inf)
        peaks, _ = find_peaks(np.pad(scores, 1, constant_values=ends), np.pad(level, 1), distance=self.width)
        taken = peaks - 1
        new = np.setdiff1d(taken, self.places)
        if not new.size:
            return False
        sizes = self.left[new] / self.norm[new] ** 2
        for place, size in zip(new, sizes, strict=True):
            self._take(place, size)
        order = np.argsort(np.concatenate([self.places, new]))
        self.places = np.concatenate([self.places, new])[order]
        self.sizes = np.concatenate([self.sizes, sizes])[order]
        return True

    def _expected(self) -> np.ndarray:
        """(M,) what the template is expected to leave of all events, as heights of matches."""
        if self.misfit is None:
            return np.zeros(self.count)
        where = self.places // self.phases - self.misfit.before
        return _SURELY * self.norm[0] * summed(self.misfit.left, where, self.sizes, self.count)

    def split(self) -> bool:
        """Replace each event by two if two match much better. Return whether any was replaced."""
        places: list[int] = []
        for i, place in enumerate(self.places):
            key = int(place), *(int(self.places[j]) if 0 <= j < len(self.places) else -1 for j in (i - 1, i + 1))
            pair = None if key in self.single else self._pair(i)
            if pair is None:
                self.single.add(key)
            places += [int(place)] if pair is None else pair
        found = len(places) > len(self.places)
        self.places = np.unique(np.array(places, int))
        if found:
            self._solve()
        return found

    def _pair(self, i: int) -> list[int] | None:
        """Two places that match what the others leave to event ``i`` much better than one place does, or None."""
        place = self.places[i]
        low = max(place - self.width, self.places[i - 1] + 1 if i else 0)
        high = min(place + self.width, self.places[i + 1] - 1 if i + 1 < len(self.places) else len(self.match) - 1)
        tried = np.arange(low, high + 1, max(1, (high - low) // _TRIED))
        if len(tried) < 2:
            return None
        score = self.left[tried] + self.sizes[i] * self._between(np.full(len(tried), place), tried)
        score /= self.norm[tried]
        first, second = np.triu_indices(len(tried), 1)
        overlap = self._between(tried[first], tried[second]) / (self.norm[tried[first]] * self.norm[tried[second]])
        with np.errstate(divide="ignore", invalid="ignore"):
            one = (score[first] - overlap * score[second]) / (1 - overlap**2)
            two = (score[second] - overlap * score[first]) / (1 - overlap**2)
            both = one * score[first] + two * score[second]
        both = np.where((one > 0) & (two > 0) & (overlap < _SAME), both, 0.0)
        best = int(both.argmax())
        own = self.sizes[i] * self.norm[place]
        gain = both[best] - max(own, score.max()) ** 2
        level = self.rules.threshold * self.noise + max(self.rules.mismatch, self.largest) * own
        return [int(tried[first[best]]), int(tried[second[best]])] if gain > level**2 else None

    def settle(self) -> None:
        """Find sizes by least squares, move events one by one, and leave out those below the threshold."""
        for _ in range(_SWEEPS):
            self._join()
            self._solve()
            self._subtract_all()
            if not self._move():
                break
        self._join()
        self._solve()
        while self._leave_out():
            self._solve()
        self._subtract_all()

    def _solve(self) -> None:
        """Find the best sizes, leaving out events whose size would be negative."""
        while self.places.size:
            sizes = self._least_squares()
            if (sizes > 0).all():
                break
            self.places = self.places[sizes > 0]
        else:
            sizes = np.empty(0)
        self.sizes = sizes

    def _subtract_all(self) -> None:
        """Take all events out of the matches, and put back those that are none: only what has changed."""
        wanted = dict(zip(self.places.tolist(), self.sizes.tolist(), strict=True))
        for place in self.taken.keys() - wanted.keys():
            self._take(place, 0.0)
        for place, size in wanted.items():
            change = abs(size - self.taken.get(place, 0.0)) * self.norm[place]
            if place not in self.taken or change > _CHANGED * self.noise:
                self._take(place, size)

    def _take(self, place: int, size: float) -> None:
        """Take an event of this size out of the matches, in place of what was taken out there before."""
        place = int(place)
        self._subtract(place, size - self.taken.pop(place, 0.0))
        if size:
            self.taken[place] = size

    def _least_squares(self) -> np.ndarray:
        """The best sizes, after leaving out events whose responses are a combination of those of events before them."""
        bands = self._bands()
        factor, failed = lapack.dpbtrf(bands, lower=1)
        if not failed and (factor[0] ** 2 > _OWN * bands[0]).all():
            return lapack.dpbtrs(factor, self.match[self.places], lower=1)[0]
        factor = self._keep_independent()
        return cho_solve((factor, True), self.match[self.places])

    def _keep_independent(self) -> np.ndarray:
        """Leave out events that are a combination of those before them; the Cholesky factor of the others' overlaps."""
        kept = np.empty_like(self.places)
        factor = np.zeros((len(kept), len(kept)))
        n = 0
        for place in self.places:
            first = int(np.searchsorted(kept[:n], place - (self.matched.reach + 1) * self.phases))
            overlap = self._between(np.full(n - first, place), kept[first:n])
            row = solve_triangular(factor[first:n, first:n], overlap, lower=True) if n > first else overlap
            own = self.norm[place] ** 2
            left = own - row @ row
            if left > _OWN * own:
                kept[n], factor[n, first:n], factor[n, n] = place, row, np.sqrt(left)
                n += 1
        self.places = kept[:n]
        return factor[:n, :n]

    def _bands(self) -> np.ndarray:
        """The overlaps of all events: the diagonals of a symmetric matrix as rows, from the main one down."""
        places = self.places
        bands = [self._between(places, places)]
        for d in range(1, len(places)):
            if (places[d:] - places[:-d]).min() > (self.matched.reach + 1) * self.phases:
                break
            bands.append(np.append(self._between(places[:-d], places[d:]), np.zeros(d)))
        return np.array(bands)

    def _move(self) -> bool:
        """Move each event to the nearby place where it best matches what the others leave. Return whether any moved."""
        moved = False
        last = len(self.match) - 1
        for i, place in enumerate(self.places):
            low = max(place - self.rules.step, self.places[i - 1] + 1 if i else 0)
            high = min(place + self.rules.step, self.places[i + 1] - 1 if i + 1 < len(self.places) else last)
            near = np.arange(low, high + 1)
            own = self.left[near] + self.sizes[i] * self._between(np.full(len(near), place), near)
            best = int((own / self.norm[near]).argmax())
            if near[best] != place:
                self._take(place, 0.0)
                self.places[i], self.sizes[i] = near[best], max(own[best], 0.0) / self.norm[near[best]] ** 2
                self._take(self.places[i], self.sizes[i])
                moved = True
        return moved

    def _join(self) -> None:
        """Replace two events that cannot be distinguished by one."""
        while len(self.places) > 1:
            overlap = self._between(self.places[:-1], self.places[1:])
            pairs = np.flatnonzero(overlap > _SAME * self.norm[self.places[:-1]] * self.norm[self.places[1:]])
            if not pairs.size:
                break
            i = int(pairs[0])
            larger = i + int(self.sizes[i + 1] > self.sizes[i])
            self.sizes[larger] = self.sizes[i] + self.sizes[i + 1]
            keep = np.arange(len(self.places)) != (i + i + 1 - larger)
            self.places, self.sizes = self.places[keep], self.sizes[keep]

    def _leave_out(self) -> bool:
        """Leave out events below the threshold, of neighbours only the weakest. Return whether there was any."""
        if not self.places.size:
            return False
        norm = self.norm[self.places]
        # With the best sizes nothing is left at an event: the match there comes from itself and from the others.
        others = self.match[self.places] / norm - self.sizes * norm
        level = self.rules.threshold * self.noise + self.rules.mismatch * np.maximum(others, 0.0)
        level += self.beside[self.places]
        level += self._expected()[self.places // self.phases]
        excess = self.sizes * np.sqrt(self._precision()) / level
        weak = excess < 1
        if not weak.any():
            return False
        # Of neighbours only the weakest: without it the others may be above the threshold.
        near = np.diff(self.places) <= self.width
        weak[1:] &= ~near | (excess[1:] < excess[:-1])
        weak[:-1] &= ~near | (excess[:-1] <= excess[1:])
        self.places = self.places[~weak]
        return True

    def _precision(self) -> np.ndarray:
        """(K,) 1 / the variance of each size with those of its neighbours free, for noise of variance 1."""
        places, norm = self.places, self.norm[self.places]
        count, reach = len(places), 0
        for d in range(1, min(_NEIGHBOURS, count - 1) + 1):
            if (np.abs(self._between(places[:-d], places[d:])) > _NEIGHBOUR * norm[:-d] * norm[d:]).any():
                reach = d
        if not reach:
            return norm**2
        # The neighbours of each event in a row of a table; a row and column of the identity where there is none.
        own = np.arange(-reach, reach + 1)
        index = np.arange(count)[:, None] + own
        inside = (index >= 0) & (index < count)
        near = places[np.where(inside, index, 0)]
        height = norm[np.where(inside, index, 0)]
        overlap = self._between(np.broadcast_to(places[:, None], near.shape), near) / (norm[:, None] * height)
        inside &= np.abs(overlap) > _NEIGHBOUR
        shape = (count, len(own), len(own))
        table = self._between(np.broadcast_to(near[:, :, None], shape), np.broadcast_to(near[:, None, :], shape))
        table = table / (height[:, :, None] * height[:, None, :])
        table = np.where(inside[:, :, None] & inside[:, None, :], table, 0.0) + _RIDGE * np.eye(len(own))
        table += np.where(inside, 0.0, 1.0)[:, :, None] * np.eye(len(own))
        return norm**2 / np.maximum(np.linalg.inv(table)[:, reach, reach], 1.0)

    def found(self) -> Found:
        """The result; a parabola through each maximum refines the places."""
        shifts = np.zeros(len(self.places))
        for i, place in enumerate(self.places):
            if 0 < place < len(self.match) - 1:
                near = np.array([place - 1, place, place + 1])
                own = self.left[near] + self.sizes[i] * self._between(np.full(3, place), near)
                before, at, after = own / self.norm[near]
                if at >= max(before, after) and 2 * at > before + after:
                    shifts[i] = 0.5 * (after - before) / (2 * at - before - after)
        scores = self.left / self.norm
        noise = self._noise()
        lowest = float((scores if self.kept is None else scores[self.kept]).min(initial=0.0)) / noise if noise else 0.0
        return Found(self.places, self.sizes, self._precision(), shifts, noise, lowest)
