"""Latency of a block from its shape: a physical model of its layers, and a Gaussian process for the residual.

The mean is a non-negative sum over the block's layers of multiply-accumulates by kind of convolution and kernel, of
weights read, of activations read and written, and of a constant a layer and a block. The residual is a relative error
that is similar for similar blocks: a Gaussian process over operator, kernel, expansion, stride, resolution and
channels. Whole networks are observations of it too: their time is a sum over blocks. So a few hundred measured blocks
and a few dozen networks give every block of a space a number with an error bar, and the numbers still add up.

The hyperparameters maximise the marginal likelihood of the measured blocks (Rasmussen and Williams 2006, section 5.4).
"""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize, nnls

from mogakit.errors import InputError
from mogakit.luts.error_metrics import FloatArray
from mogakit.luts.physical_terms import block_terms
from mogakit.nets.block import Activation, Block, Op

MIN_BLOCKS = 8
"""Measured blocks from which a model is fitted."""

_NOISE_FLOOR = 3e-3
"""Smallest relative standard error that a measured block is given, however narrow its own interval is."""

_LOCAL = 4.0
"""Length scales of the smooth part divided by those of the local part."""

_PENALTY = 1e-3
"""Ridge on the terms of the mean, relative to their own scale, so that terms that always grow together share a cost."""


def block_numbers(block: Block) -> list[float]:
    """Return the coordinates of a block for the Gaussian process: log2 of channels, resolution, kernel, expansion."""
    middle = block.expanded_channels or block.in_channels
    return [
        np.log2(block.in_channels),
        np.log2(block.out_channels),
        np.log2(block.input_size),
        np.log2(block.kernel),
        np.log2(middle / block.in_channels),
    ]


def block_kind(block: Block) -> list[int]:
    """Return the categorical features of a block (operator, stride, SE, ...), as whole numbers."""
    se = block.se is not None
    return [_OPS[block.op], block.stride, se, block.residual, block.pool_skip, _ACTIVATIONS[block.activation]]


_OPS = {op: number for number, op in enumerate(Op)}
_ACTIVATIONS = {activation: number for number, activation in enumerate(Activation)}


@dataclass(frozen=True)
class Measured:
    """What a model is fitted on, in milliseconds, without the overhead that a network pays once.

    Attributes:
        blocks_ms: latency of each measured block, above zero. blocks_std_ms: standard error of each.
    """

    blocks_ms: Mapping[Block, float]
    blocks_std_ms: Mapping[Block, float]


def nearest(blocks: Sequence[Block], among: Sequence[Block]) -> list[Block]:
    """Return for each block the one of `among` that is most like it: the same kind first, then the closest numbers."""
    distance = _distance(blocks, among)
    return [among[place] for place in np.argmin(distance.squares.sum(axis=2) + 100.0 * distance.differing, axis=1)]


class BlockModel:
    """A fitted model of one target's blocks; `predict` gives milliseconds and their standard deviation."""

    def __init__(self, measured: Measured) -> None:
        """Fit the model.

        Raises:
            InputError: fewer than `MIN_BLOCKS` blocks, or one that is not above zero.
        """
        self._blocks = [block for block, ms in measured.blocks_ms.items() if ms > 0]
        if len(self._blocks) < MIN_BLOCKS:
            raise InputError(
                f"a model of blocks needs at least {MIN_BLOCKS} measured blocks with a latency above zero, "
                f"given {len(self._blocks)}"
            )
        measured_ms = np.array([measured.blocks_ms[block] for block in self._blocks])
        self._columns = sorted({name for block in self._blocks for name in block_terms(block)})
        self._weights = _fit_mean(self._design(self._blocks), measured_ms)
        self._relative = measured_ms / self.mean_ms(self._blocks) - 1.0
        errors = np.array([measured.blocks_std_ms.get(block, 0.0) for block in self._blocks]) / measured_ms
        self._noise = np.maximum(errors, _NOISE_FLOOR) ** 2
        distance = _distance(self._blocks, self._blocks)
        self._hyper = _fit_process(distance, self._relative, self._noise)
        self._widened = _overconfidence(self._hyper.covariance(distance) + np.diag(self._noise), self._relative)
        self._condition([], [], [])

    def given_networks(
        self, networks: Sequence[Sequence[Block]], networks_ms: Sequence[float], networks_std_ms: Sequence[float]
    ) -> "BlockModel":
        """Return the model conditioned on whole networks as well, whose blocks need not be measured.

        Args:
            networks: the blocks of each.
            networks_ms: shape (n,), milliseconds, without the overhead that a network pays once.
            networks_std_ms: their standard errors.
        """
        model = copy(self)
        model._condition(networks, networks_ms, networks_std_ms)
        return model

    def mean_ms(self, blocks: Sequence[Block]) -> FloatArray:
        """Return what the physical terms alone give, shape (blocks,), milliseconds."""
        return np.maximum(self._design(blocks) @ self._weights, 1e-6)

    def predict(self, blocks: Sequence[Block]) -> tuple[FloatArray, FloatArray]:
        """Return latencies and standard deviations of blocks, each of shape (blocks,), in milliseconds."""
        mean = self.mean_ms(blocks)
        cross = self._covariance(blocks, self._latent)
        prior = self._hyper.prior_variance
        relative = cross @ self._gain
        explained = np.einsum("ij,ij->i", cross @ self._precision, cross)
        # an inferred block is never more certain than a typical measured one: hence the median noise
        deviation = self._widened * np.sqrt(np.maximum(prior - explained, 0.0) + float(np.median(self._noise)))
        return np.maximum(mean * (1.0 + relative), 0.02 * mean), mean * deviation

    def _design(self, blocks: Sequence[Block]) -> FloatArray:
        rows = []
        for block in blocks:
            terms = block_terms(block)
            rows.append([terms.get(name, 0.0) for name in self._columns])
        return np.array(rows)

    def _covariance(self, left: Sequence[Block], right: Sequence[Block]) -> FloatArray:
        return self._hyper.covariance(_distance(left, right))

    def _condition(
        self, networks: Sequence[Sequence[Block]], networks_ms: Sequence[float], networks_std_ms: Sequence[float]
    ) -> None:
        """Condition the process on blocks and on networks, which are sums of `mean * (1 + relative)`."""
        known = set(self._blocks)
        others = dict.fromkeys(block for blocks in networks for block in blocks if block not in known)
        self._latent = [*self._blocks, *others]
        index = {block: place for place, block in enumerate(self._latent)}
        mean = self.mean_ms(self._latent)
        observe = np.zeros((len(self._blocks) + len(networks), len(self._latent)))
        observe[np.arange(len(self._blocks)), np.arange(len(self._blocks))] = 1.0
        values, noise = list(self._relative), list(self._noise)
        for row, (blocks, total, std) in enumerate(
            zip(networks, networks_ms, networks_std_ms, strict=True), start=len(self._blocks)
        ):
            for block in blocks:
                observe[row, index[block]] += mean[index[block]] / total
            values.append(1.0 - sum(mean[index[block]] for block in blocks) / total)
            noise.append(max(std / total, _NOISE_FLOOR) ** 2)
        covariance = self._covariance(self._latent, self._latent)
        inner = observe @ covariance @ observe.T + np.diag(noise)
        factor = cho_factor(inner, lower=True)
        self._gain = observe.T @ cho_solve(factor, np.array(values))
        self._precision = observe.T @ cho_solve(factor, observe)


def _fit_mean(design: FloatArray, measured_ms: FloatArray) -> FloatArray:
    """Fit non-negative costs by least squares on relative errors."""
    relative = design / measured_ms[:, None]
    scale = np.sqrt(np.mean(relative**2, axis=0))
    scale[scale == 0] = 1.0
    penalty = _PENALTY * np.sqrt(len(measured_ms)) * np.eye(design.shape[1])
    rows = np.vstack([relative / scale, penalty])
    wanted = np.concatenate([np.ones(len(measured_ms)), np.zeros(design.shape[1])])
    return np.asarray(nnls(rows, wanted)[0] / scale)


@dataclass(frozen=True)
class _Hyperparameters:
    """Standard deviations of a smooth and of a local part, a length scale for each coordinate, and a factor.

    The factor, `alike`, lowers the covariance once for each categorical feature that differs.
    """

    smooth: float
    local: float
    lengths: FloatArray
    alike: float

    @property
    def prior_variance(self) -> float:
        return self.smooth**2 + self.local**2

    def covariance(self, distance: "_Distance") -> FloatArray:
        """Return shape (left, right): a Matern 5/2 over the coordinates, times `alike` per differing feature."""
        far = np.sqrt(5 * np.maximum(distance.squares @ self.lengths**-2, 0.0))
        same = self.alike**distance.differing
        return np.asarray(same * (self.smooth**2 * matern52(far) + self.local**2 * matern52(_LOCAL * far)))


@dataclass(frozen=True)
class _Distance:
    """Between blocks: squared differences of coordinates (left, right, coordinates), and how many features differ."""

    squares: FloatArray
    differing: FloatArray


def _distance(left: Sequence[Block], right: Sequence[Block]) -> _Distance:
    numbers = [np.array([block_numbers(block) for block in blocks]) for blocks in (left, right)]
    kinds = [np.array([block_kind(block) for block in blocks]) for blocks in (left, right)]
    return _Distance(
        (numbers[0][:, None, :] - numbers[1][None, :, :]) ** 2,
        np.sum(kinds[0][:, None, :] != kinds[1][None, :, :], axis=2).astype(np.float64),
    )


def matern52(scaled: FloatArray) -> FloatArray:
    return np.asarray((1 + scaled + scaled**2 / 3) * np.exp(-scaled))


def _overconfidence(covariance: FloatArray, relative: FloatArray) -> float:
    """Return the root mean square of left-out errors over their predicted standard deviations; at least 1.

    Leave-one-out in closed form (Rasmussen and Williams 2006, eq. 5.12).
    """
    inverse = np.linalg.inv(covariance)
    scaled = (inverse @ relative) / np.sqrt(np.diag(inverse))
    return max(1.0, float(np.sqrt(np.mean(scaled**2))))


def _fit_process(distance: _Distance, relative: FloatArray, noise: FloatArray) -> _Hyperparameters:
    """Return the hyperparameters with the largest marginal likelihood, from a fixed start, so that fits repeat."""
    spread = float(np.std(relative)) or 0.01
    start = np.concatenate([np.log([spread, spread / 2]), np.zeros(distance.squares.shape[2]), [0.0]])

    def hyper_of(given: FloatArray) -> _Hyperparameters:
        exps = np.exp(np.clip(given, -8.0, 8.0))
        return _Hyperparameters(float(exps[0]), float(exps[1]), exps[2:-1], float(1 / (1 + exps[-1])))

    def loss(given: FloatArray) -> float:
        try:
            factor = cho_factor(hyper_of(given).covariance(distance) + np.diag(noise), lower=True)
        except np.linalg.LinAlgError:
            return 1e12
        fitted = float(relative @ cho_solve(factor, relative))
        logs = float(np.sum(np.log(np.diag(factor[0]))))
        prior = 0.05 * float(np.sum((given - start) ** 2))  # keeps length scales that the data do not determine
        return 0.5 * fitted + logs + prior

    return hyper_of(minimize(loss, start, method="L-BFGS-B", options={"maxiter": 30, "ftol": 1e-5}).x)
