"""Linear cost models: latency as a sum of one number for each choice, fitted on measured networks.

Without a table that takes thousands of pairs (TuNAS and the multi-hardware paper used 9000); on the residual of a
table, a few hundred. Both stay additive, so that the exact front stays exact.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

import numpy as np

from mogakit import __version__, records
from mogakit.bench.measurement import Identity
from mogakit.bench.target import Target
from mogakit.errors import InputError, TableError
from mogakit.luts.calibrate import Calibration
from mogakit.luts.error_metrics import FloatArray, mape_percent
from mogakit.luts.model import Part, Prediction
from mogakit.luts.ridge import RidgeFit, fit_ridge
from mogakit.luts.table import LatencyTable, Origin, target_as_record, target_as_text
from mogakit.nets.network import Network
from mogakit.nets.spaces import Chromosome, SearchSpace, get_space
from mogakit.tabular import Sheet, Tabular

MODEL_SCHEMA_VERSION = 1
MIN_PAIRS = 5


class ModelKind(StrEnum):
    """What a linear model was fitted on."""

    ONE_HOT = "one-hot"  # the choices alone
    TABLE = "table+one-hot"  # the table's prediction (scaled, shifted), and the choices for what it leaves over
    COUNTS = "counts"  # blocks counted, of a space whose genes are not independent slots (`luts.counts`)
    TABLE_COUNTS = "table+counts"  # the table's blocks, corrected by whole networks
    IMPORTED = "imported"


@records.stored(
    "cost-model",
    version=MODEL_SCHEMA_VERSION,
    made_by="moga fit RUN",
    encode=target_as_text,
    decode=target_as_record,
    error=TableError,
)
@dataclass(frozen=True, kw_only=True, repr=False)
class CostModel(Tabular):
    """`latency = intercept_ms + sum of coefficients_ms[gene][choice]`; all in milliseconds.

    Attributes:
        name: what stands in messages and figures.
        space: name of the search space whose chromosomes it takes.
        coefficients_ms: one tuple for each gene, one number for each choice.
        strength: of the ridge penalty (relative, see `luts.ridge`); None for an imported model.
        num_pairs: (network, latency) pairs it was fitted on.
        loo_mape_percent, loo_rmse_ms: error on each pair when fitted on all others.
        table: name of the table it builds on, or empty.
        networks: names of the networks it was fitted on, so that validation can leave them out.
        input_size: of the space in pixels; None for the space's own.
        blocks_ms: milliseconds of each block by key, where the model counts blocks; `coefficients_ms` is then empty.

    Raises:
        InputError: from `predict`, for a network that does not lie in the space.

    Source: the linear cost model of TuNAS (arXiv 2008.06120).

    Examples:
        >>> fitted = mk.fit_cost_model("run", num_networks=6, quick=True, rounds=1, resume=True)
        >>> [len(costs) for costs in fitted.one_hot.coefficients_ms]
        [12, 12, 12, 12, 12, 12]
        >>> mk.predict("digits/0-0-0-0-0-0", fitted.one_hot).latency_ms > 0
        True
    """

    name: str
    kind: ModelKind
    space: str
    target: Target | None
    identity: Identity
    intercept_ms: float
    coefficients_ms: tuple[tuple[float, ...], ...]
    origin: Origin
    strength: float | None = None
    num_pairs: int | None = None
    loo_mape_percent: float | None = None
    loo_rmse_ms: float | None = None
    table: str = ""
    networks: tuple[str, ...] = ()
    input_size: int | None = None
    blocks_ms: dict[str, float] = field(default_factory=dict)
    schema_version: int = MODEL_SCHEMA_VERSION

    def predict_chromosome(self, chromosome: Chromosome) -> float:
        """Return the latency of a chromosome in milliseconds.

        Raises:
            InputError: it has another number of genes, or a gene that the model does not know.
        """
        if self.blocks_ms:
            return self.intercept_ms + sum(self._block_ms(block.key) for block in self._space.decode(chromosome).blocks)
        if len(chromosome) != len(self.coefficients_ms):
            raise InputError(f"model {self.name} takes {len(self.coefficients_ms)} genes, given {len(chromosome)}")
        total = self.intercept_ms
        for index, (gene, costs) in enumerate(zip(chromosome, self.coefficients_ms, strict=True)):
            if not 0 <= gene < len(costs):
                raise InputError(f"gene {index} is {gene}; model {self.name} knows 0 to {len(costs) - 1}")
            total += costs[gene]
        return total

    def sheet(self) -> Sheet:
        """Return one row a gene and choice: the milliseconds it adds to the intercept."""
        error = "" if self.loo_mape_percent is None else f", leave-one-out error {self.loo_mape_percent:.3g} %"
        return Sheet(
            title=f"{self.described}, space {self.space}{error}",
            columns=("gene", "choice", "coefficient_ms"),
            rows=[
                (gene, choice, cost)
                for gene, costs in enumerate(self.coefficients_ms)
                for choice, cost in enumerate(costs)
            ],
            note=f"intercept {self.intercept_ms:.4g} ms",
        )

    @property
    def described(self) -> str:
        """What it is and what it was fitted on, in a few words."""
        fitted = "imported" if self.num_pairs is None else f"on {self.num_pairs} pairs"
        return f"cost model {self.name} {fitted}"

    def predict(self, network: Network) -> Prediction:
        """Predict a network of the model's space: the intercept, and one part for each gene.

        An imported model knows layers by kernel, expansion and stride only: networks of another activation or
        batch-norm epsilon than the space's are of the same cost to it.

        Raises:
            InputError: the network does not lie in the space.
        """
        chromosome, slotted = self._encode(network), self._space.slotted
        latency_ms = self.predict_chromosome(chromosome)
        numbers = [costs[gene] for costs, gene in zip(self.coefficients_ms, chromosome, strict=False)]
        if self.blocks_ms:
            names = [block.key for block in network.blocks]
            numbers = [self._block_ms(name) for name in names]
        elif slotted is None:
            names = [f"gene {index} = {gene}" for index, gene in enumerate(chromosome)]
        else:
            names = [choices[gene].key for choices, gene in zip(slotted.slots, chromosome, strict=True)]
        return Prediction(
            network=network.name,
            latency_ms=latency_ms,
            raw_ms=latency_ms,
            overhead_ms=self.intercept_ms,
            parts=tuple(Part(name, number) for name, number in zip(names, numbers, strict=True)),
            loo_mape_percent=self.loo_mape_percent,
        )

    def latency_ms(self, network: Network) -> float:
        """Return the latency of a network of the model's space in milliseconds; see `predict`."""
        return self.predict_chromosome(self._encode(network))

    def unpredictable(self, network: Network) -> str | None:
        """Return in a few words why the model has no number for a network, or None where it has one."""
        try:
            self._encode(network)
        except InputError as error:
            return f"the model of space {self.space!r} does not know it: {error}"
        return None

    def _block_ms(self, key: str) -> float:
        if key not in self.blocks_ms:
            raise TableError(
                f"model {self.name} has no number for block {key}; `moga fit` on a run of its space fits one"
            )
        return self.blocks_ms[key]

    def block_costs(self, unsupported_ms: float) -> tuple[float, dict[str, float]] | None:
        """Return the intercept and milliseconds by block key where the model counts blocks, None elsewhere."""
        return (self.intercept_ms, self.blocks_ms) if self.blocks_ms else None

    def slot_costs(self, space: SearchSpace, unsupported_ms: float | None = None) -> list[FloatArray] | None:
        """Return one array of milliseconds a gene, the intercept folded into the first; every choice has a number.

        None where the model counts blocks: what a gene costs depends on others.

        Raises:
            InputError: the space is another than the model's.
        """
        if space.name != self.space:
            raise InputError(f"model {self.name} is of space {self.space}, not of {space.name}")
        if self.blocks_ms:
            return None
        costs = [np.array(numbers) for numbers in self.coefficients_ms]
        costs[0] = costs[0] + self.intercept_ms
        return costs

    @property
    def _space(self) -> SearchSpace:
        return get_space(self.space, self.input_size)

    def _encode(self, network: Network) -> Chromosome:
        """Return the chromosome of a network.

        Raises:
            InputError: the network does not lie in the space.
        """
        space = self._space
        same = in_style_of(space, network) if self.kind is ModelKind.IMPORTED else network
        return space.encode(same)


def in_style_of(space: SearchSpace, network: Network) -> Network:
    """Return the network with the activation and batch-norm epsilon of a space that has one of each throughout.

    ProxylessNAS itself has ReLU6 where TuNAS's space has ReLU: another network, of the same layers and, on a CPU, cost.
    """
    style = space.decode((0,) * len(space.num_choices)).blocks[0]
    blocks = [
        replace(
            block,
            activation=style.activation,
            norm_eps=style.norm_eps if block.norm_eps is not None else None,
        )
        for block in network.blocks
    ]
    return replace(network, blocks=tuple(blocks))


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Networks of one space with their measured latency: what a cost model is fitted on.

    Attributes:
        chromosomes: shape (n, genes).
        measured_ms: shape (n,).
        input_size: of the space in pixels; None for the space's own.
    """

    space: str
    chromosomes: tuple[Chromosome, ...]
    measured_ms: tuple[float, ...]
    names: tuple[str, ...] = ()
    input_size: int | None = None

    def take(self, indices: Sequence[int]) -> "Pairs":
        """Return the pairs at `indices`."""
        return Pairs(
            space=self.space,
            chromosomes=tuple(self.chromosomes[index] for index in indices),
            measured_ms=tuple(self.measured_ms[index] for index in indices),
            names=tuple(self.names[index] for index in indices) if self.names else (),
            input_size=self.input_size,
        )


def one_hot(num_choices: Sequence[int], chromosomes: Sequence[Chromosome]) -> FloatArray:
    """Return one column for each choice of each gene; shape (n, sum(num_choices))."""
    starts = np.concatenate([[0], np.cumsum(num_choices)[:-1]])
    features = np.zeros((len(chromosomes), int(np.sum(num_choices))))
    columns = np.asarray(chromosomes, dtype=np.int64) + starts
    features[np.arange(len(chromosomes))[:, None], columns] = 1.0
    return features


def fit_one_hot(pairs: Pairs, target: Target | None, identity: Identity, name: str = "one-hot") -> CostModel:
    """Fit ridge on the choices alone (multi-hardware paper section 7.1; TuNAS appendix), relative least squares.

    Raises:
        InputError: fewer than five pairs.
    """
    num_choices = checked_space(pairs).num_choices
    measured = np.array(pairs.measured_ms)
    found = fit_ridge(np.ones((len(measured), 1)), one_hot(num_choices, pairs.chromosomes), measured)
    weights = _split(found.weights, num_choices)
    return _model(name, ModelKind.ONE_HOT, pairs, target, identity, float(found.plain_weights[0]), weights, found)


def fit_on_table(pairs: Pairs, table: LatencyTable, name: str = "table+one-hot") -> CostModel:
    """Fit `scale * table + offset + choices`, the choices penalised, so that they hold only what the table leaves over.

    Args:
        pairs: of a space with independent slots, whose blocks have rows in the table.
        table: its own calibration is not used: scale and offset are fitted on the pairs.

    Raises:
        InputError: fewer than five pairs, or a space whose genes are not independent slots.
        TableError: the table lacks a block of the space.
    """
    space = checked_space(pairs)
    costs = table.with_calibration(Calibration()).slot_costs(space)
    if costs is None:
        raise InputError(f"the genes of space {space.name} are not independent slots: fit the choices alone (one-hot)")
    measured = np.array(pairs.measured_ms)
    raw = np.array([sum(slot[gene] for slot, gene in zip(costs, one, strict=True)) for one in pairs.chromosomes])
    plain = np.stack([np.ones_like(raw), raw], axis=1)
    found = fit_ridge(plain, one_hot(space.num_choices, pairs.chromosomes), measured)
    offset_ms, scale = (float(weight) for weight in found.plain_weights)
    residual = _split(found.weights, space.num_choices)
    weights = [scale * slot + rest for slot, rest in zip(costs, residual, strict=True)]
    return _model(name, ModelKind.TABLE, pairs, table.target, table.identity, offset_ms, weights, found, table.name)


def checked_space(pairs: Pairs) -> SearchSpace:
    """Return the space of the pairs.

    Raises:
        InputError: fewer than five pairs, or no such space.
    """
    if len(pairs.measured_ms) < MIN_PAIRS:
        raise InputError(f"a cost model needs at least {MIN_PAIRS} measured networks, given {len(pairs.measured_ms)}")
    return get_space(pairs.space, pairs.input_size)


def _split(weights: FloatArray, num_choices: Sequence[int]) -> list[FloatArray]:
    return list(np.split(weights, np.cumsum(num_choices)[:-1]))


def _model(
    name: str,
    kind: ModelKind,
    pairs: Pairs,
    target: Target | None,
    identity: Identity,
    intercept_ms: float,
    weights: Sequence[FloatArray],
    found: RidgeFit,
    table: str = "",
) -> CostModel:
    measured = np.array(pairs.measured_ms)
    return CostModel(
        name=name,
        kind=kind,
        space=pairs.space,
        target=target,
        identity=identity,
        intercept_ms=intercept_ms,
        coefficients_ms=tuple(tuple(float(number) for number in slot) for slot in weights),
        origin=Origin(made_by=f"mogakit {__version__}"),
        strength=found.strength,
        num_pairs=len(measured),
        loo_mape_percent=mape_percent(found.held_out, measured),
        loo_rmse_ms=float(np.sqrt(np.mean((found.held_out - measured) ** 2))),
        table=table,
        networks=pairs.names,
        input_size=pairs.input_size,
    )


def save_model(model: CostModel, path: Path) -> None:
    """Write a model as JSON coefficients, atomically."""
    records.save(model, path)


def load_model(path: Path) -> CostModel:
    """Read a model.

    Raises:
        TableError: there is no such file, or it is not a cost model; see `records.load`.
    """
    return records.load(CostModel, path)
