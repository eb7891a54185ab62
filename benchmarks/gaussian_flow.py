"""A velocity field in closed form that behaves as a trained one does: from noise to a mixture of Gaussians.

Rectified flow (Liu et al. 2022; the linear path of Lipman et al., "Flow matching for generative modeling", 2023) draws
x0 of standard normal noise and x1 of the data, and follows `x_t = (1 - t) x0 + t x1`. What a perfectly trained model
says is the mean over all pairs that pass through a point, `v(t, x) = E[x1 - x0 | x_t = x]`. Where the data are
Gaussians N(μ_k, s² I) of equal weight, that mean is known: given k, x_t is N(t μ_k, σ² I) with σ² = (1 - t)² + t² s²,
so

    E[x1 | x, k] = μ_k + (t s² / σ²) (x - t μ_k),   E[x0 | x, k] = ((1 - t) / σ²) (x - t μ_k),

and k given x has the weights that Bayes gives it, in proportion to N(x; t μ_k, σ² I). A path bends where it is still
open which μ_k it goes to, and a little at its end, where it closes in on it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.programs.flow_solver import solving

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class GaussianFlow:
    """The field whose data are Gaussians of standard deviation `width` about `means (clusters, dim)`."""

    means: Values
    width: float

    @classmethod
    def drawn(cls, clusters: int, distance: float, width: float, dim: int, seed: int = 0) -> GaussianFlow:
        """What all answers share is of unit power in each of `dim` channels; two answers are `distance` apart (in
        standard deviations of the noise), near enough where `dim` is large."""
        rng = np.random.default_rng(seed)
        shared, own = rng.standard_normal(dim), rng.standard_normal((clusters, dim))
        own -= own.mean(axis=0) if clusters > 1 else own
        apart = np.sqrt(2.0) * np.linalg.norm(own, axis=1).mean()  # two vectors of a length at right angles
        return cls(shared + own * (distance / apart if clusters > 1 else 0.0), width)

    def velocity(self, t: float, x: NDArray[np.floating]) -> Values:
        """`v(t, x)` for rows `x (n, dim)`."""
        variance = (1.0 - t) ** 2 + (t * self.width) ** 2
        stretch = (t * self.width**2 - (1.0 - t)) / variance
        mean: Values = self.answers(t, x) @ self.means
        return stretch * x + (1.0 - t * stretch) * mean

    def answers(self, t: float, x: NDArray[np.floating]) -> Values:
        """How probably each row `(n, dim)` goes to each cluster, `(n, clusters)`."""
        variance = (1.0 - t) ** 2 + (t * self.width) ** 2
        # |x - tμ|² without |x|², which is the same for all clusters
        told = (t * (x.astype(np.float64) @ self.means.T) - t * t / 2 * np.square(self.means).sum(axis=1)) / variance
        weight = np.exp(told - told.max(axis=1, keepdims=True))
        out: Values = weight / weight.sum(axis=1, keepdims=True)
        return out

    def nearest(self, x: NDArray[np.floating]) -> NDArray[np.intp]:
        """The cluster that each row `(n, dim)` ended in."""
        return np.asarray(np.argmax(self.answers(1.0, x), axis=1))

    def end_of_one(self, start: NDArray[np.floating]) -> Values:
        """Where the exact flow of a single Gaussian ends: with u = x - tμ the field is u' = (σ'/σ) u, so x = μ + s x0.

        Raises:
            ValueError: there are several clusters, and no such formula.
        """
        if len(self.means) != 1:
            raise ValueError(f"one cluster expected, got {len(self.means)}")
        out: Values = self.means[0] + self.width * start.astype(np.float64)
        return out

    def solved(self, method: str, steps: int, start: NDArray[np.floating]) -> NDArray[np.floating]:
        """The engine's own solver from `start (n, dim)` to the end; in float64 where `start` and `1 / steps` are (a
        power of two is)."""
        running = solving(method, steps, start)
        t, x = next(running)
        while True:
            try:
                t, x = running.send(self.velocity(t, x).astype(start.dtype))
            except StopIteration as end:
                done: NDArray[np.floating] = end.value
                return done


def gain_of_one(method: str, steps: int, width: float) -> float:
    """What a solver makes of the `width` in `end_of_one`: the product of its steps' factors on u.

    Euler's factor is 1 + h a(t), the midpoint rule's 1 + h a(t + h/2) (1 + h/2 a(t)), where a = σ'/σ.
    """

    def a(t: float) -> float:
        return (t * width**2 - (1.0 - t)) / ((1.0 - t) ** 2 + (t * width) ** 2)

    h, product = 1.0 / steps, 1.0
    for number in range(steps):
        t = number * h
        product *= 1.0 + h * a(t) if method == "euler" else 1.0 + h * a(t + h / 2) * (1.0 + h / 2 * a(t))
    return product
