"""Random-walk Metropolis on continuous vectors, fast: random numbers in blocks, look-ahead.

The perturbation may be adapted only during burn-in: `adapt` tunes it and returns a kernel that
never changes again, so that the draws come from a Markov chain with the right target.

References
----------
Roberts, Gelman, Gilks (1997), Ann. Appl. Probab. 7 (the acceptance rate to aim at); Haario,
Saksman, Tamminen (2001), Bernoulli 7 (shaping by the covariance); Brockwell (2006), JCGS 15
(evaluating ahead).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.checks import count
from core.mcmc.kernels import (
    Info,
    State,
    accept,
    check_generator,
    densities_of,
    first_state,
    never_infinite,
    start_of,
)
from core.mcmc.proposals import check_size, noise_factor

if TYPE_CHECKING:
    from core.mcmc.kernels import LogDensity

__all__ = ["RandomWalk", "adapt"]

Floats = NDArray[np.float64]

# Proposals evaluated ahead at once, and the number of chains below which that pays.
_AHEAD = 8
_FEW = 4


@dataclass(frozen=True)
class RandomWalk:
    """Metropolis with normal perturbations: `Metropolis(log_density, gaussian(size))`, faster.

    Parameters
    ----------
    log_density
        ``log pi`` up to a constant: (n_points, n_dim) -> (n_points,). With few chains it is called
        for several proposals of one chain at once, so the number of points varies.
    size
        Perturbation size: scalar, (n_dim,) standard deviations, or (n_dim, n_dim) covariance.

    Examples
    --------
    >>> from core.mcmc import sample
    >>> kernel = RandomWalk(lambda x: -0.5 * (x**2).sum(1), 2.4)
    >>> sample(kernel, np.zeros((2, 1)), np.random.default_rng(0), n_draws=100).draws.shape
    (2, 100, 1)
    """

    log_density: LogDensity[Floats]
    size: ArrayLike

    @cached_property
    def _factor(self) -> Floats:
        return noise_factor(self.size)

    def _noise(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
        z = rng.standard_normal(shape)
        return z @ self._factor if self._factor.ndim == 2 else z * self._factor

    def init(self, position: Floats) -> State[Floats]:
        """Evaluate the target at the first position; see `MetropolisHastings.init`."""
        start = start_of(position).astype(float)
        check_size(self._factor, start)
        return first_state(self.log_density, start)

    def step(self, rng: np.random.Generator, state: State[Floats]) -> tuple[State[Floats], Info]:
        """Propose, accept or stay."""
        position = state.position + self._noise(rng, state.position.shape)
        return accept(rng, state, position, self.log_density(position), 0.0)

    def run(
        self, rng: np.random.Generator, state: State[Floats], n_steps: int
    ) -> tuple[Floats, Floats, NDArray[np.int64]]:
        """Take many steps with one block of random numbers.

        Returns
        -------
        positions
            After each step, shape (n_steps, n_chains, n_dim).
        log_density
            There, shape (n_steps, n_chains).
        accepted
            Proposals taken by each chain, shape (n_chains,).
        """
        count("n_steps", n_steps)
        n_chains, n_dim = state.position.shape
        noise = self._noise(rng, (n_steps, n_chains, n_dim))
        threshold = -rng.standard_exponential((n_steps, n_chains))
        with np.errstate(invalid="ignore"):  # of an infinite density, which is named at the end
            if n_chains >= _FEW:
                return self._together(state, noise, threshold)
            parts = [
                self._ahead(
                    state.position[c], float(state.log_density[c]), noise[:, c], threshold[:, c]
                )
                for c in range(n_chains)
            ]
        positions, densities, counts = zip(*parts, strict=True)
        return np.stack(positions, 1), np.stack(densities, 1), np.array(counts)

    def _together(
        self, state: State[Floats], noise: Floats, threshold: Floats
    ) -> tuple[Floats, Floats, NDArray[np.int64]]:
        """Move all chains step by step."""
        log_density = self.log_density
        x, density = state.position, state.log_density
        positions, densities = np.empty_like(noise), np.empty_like(threshold)
        accepted = np.zeros(len(density), dtype=np.int64)
        for i in range(len(noise)):
            y = positions[i]
            np.add(x, noise[i], out=y)
            new = densities_of(log_density(y), len(density))
            stay = ~(new - density > threshold[i])  # NaN compares false, so it is rejected
            accepted += ~stay
            np.copyto(y, x, where=stay[:, None])
            row = densities[i]
            row[:] = new
            np.copyto(row, density, where=stay)
            x, density = y, row
        never_infinite(densities)  # an infinite one is accepted, and then kept
        return positions, densities, accepted

    def _ahead(
        self, x: Floats, density: float, noise: Floats, threshold: Floats
    ) -> tuple[Floats, Floats, int]:
        """Move one chain: evaluate the next proposals at once, up to the first accepted one."""
        log_density, n = self.log_density, len(noise)
        positions, densities = np.empty_like(noise), np.empty_like(threshold)
        accepted = i = 0
        while i < n:
            proposals = x + noise[i : i + _AHEAD]
            new = densities_of(log_density(proposals), len(proposals))
            take = new - density > threshold[i : i + _AHEAD]
            j = int(take.argmax())
            if not take[j]:
                j = len(take)
                positions[i : i + j] = x
                densities[i : i + j] = density
            else:
                positions[i : i + j] = x
                densities[i : i + j] = density
                x, density = proposals[j], float(new[j])
                positions[i + j] = x
                densities[i + j] = density
                accepted += 1
                j += 1
            i += j
        never_infinite(densities[:, None])
        return positions, densities, accepted


def adapt(
    log_density: LogDensity[Floats],
    position: Floats,
    rng: np.random.Generator,
    *,
    n_steps: int = 1000,
    size: ArrayLike = 1.0,
    target: float = 0.25,
) -> tuple[RandomWalk, State[Floats]]:
    """Tune the perturbation during burn-in, then freeze it.

    The noise gets the shape of the covariance of the chains' positions, in windows that double in
    length, and a scale that brings the acceptance rate to `target`. The draws of the burn-in are
    discarded.

    Parameters
    ----------
    log_density
        ``log pi`` up to a constant: (n_points, n_dim) -> (n_points,).
    position
        Where to start, shape (n_chains, n_dim).
    rng
        Source of every random number.
    n_steps
        Steps of burn-in, at least 50.
    size
        Perturbation size to begin with.
    target
        Acceptance rate to aim at, 0 to 1.

    Returns
    -------
    kernel
        With the covariance found.
    state
        Where the burn-in ended.

    Raises
    ------
    ValueError
        If `n_steps` or `target` is out of range, or the start is none.

    Examples
    --------
    >>> cov = np.array([[1.0, 9.0], [9.0, 100.0]])
    >>> inverse = np.linalg.inv(cov)
    >>> kernel, state = adapt(lambda x: -0.5 * ((x @ inverse) * x).sum(1), np.zeros((8, 2)),
    ...                       np.random.default_rng(0), n_steps=2000)
    >>> np.round(np.linalg.cond(np.asarray(kernel.size) @ inverse)) < 4
    np.True_
    """
    count("n_steps", n_steps, 50)
    if not 0 < target < 1:
        raise ValueError(f"target = {target}: expected an acceptance rate between 0 and 1")
    factor = noise_factor(size)
    check_generator(rng)
    position = start_of(position)
    n_dim = position.shape[1]
    shape = factor.T @ factor if factor.ndim == 2 else np.eye(n_dim) * factor**2
    log_scale, window, done = 0.0, 25, 0
    state = RandomWalk(log_density, size).init(position)
    while done < n_steps:
        window = window if n_steps - done >= 3 * window else n_steps - done
        seen, moves = [], 0
        for start in range(0, window, 25):
            kernel = RandomWalk(log_density, np.exp(2 * log_scale) * shape)
            n = min(25, window - start)
            positions, densities, accepted = kernel.run(rng, state, n)
            state = State(positions[-1], densities[-1])
            seen.append(positions)
            moves += int(accepted.sum())
            rate = float(accepted.mean()) / n
            log_scale += (rate - target) * 4 / np.sqrt(1 + start / 25)
        done += window
        if done < n_steps or window >= 50:
            points = np.concatenate(seen)[window // 4 :].reshape(-1, n_dim)
            # Shrunk a little towards the diagonal, as few points give a poor covariance.
            found, weight = np.cov(points.T).reshape(n_dim, n_dim), moves / (moves + 20)
            found = weight * found + (1 - weight) * np.diag(np.diag(found))
            if moves >= 5 * n_dim:  # fewer say nothing about the shape
                # Same volume as before, so that the scale found stays right.
                gain = np.linalg.slogdet(shape)[1] - np.linalg.slogdet(found)[1]
                log_scale += gain / (2 * n_dim)
                shape = found
        window *= 2
    return RandomWalk(log_density, np.exp(2 * log_scale) * shape), state
