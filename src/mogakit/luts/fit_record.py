"""What `moga fit` leaves beside its models: the measured networks, the errors, and the learning curves."""

from dataclasses import dataclass

from mogakit import records
from mogakit.luts.curves import CurvePoint
from mogakit.luts.linear import ModelKind, Pairs


@dataclass(frozen=True)
class ModelErrors:
    """Error of a cost model on each network when fitted on all others; None for a model that states none."""

    loo_mape_percent: float | None
    loo_rmse_ms: float | None


@records.stored("fit", version=1, made_by="moga fit RUN", title="result of a fit")
@dataclass(frozen=True, kw_only=True)
class FitRecord:
    """What `RUN/fit.json` holds.

    Attributes:
        table: name of the run's table.
        pairs: the measured networks. failed: names of networks that gave no number.
        models: errors by kind of model.
        curves: error on networks left out against the number of measured ones.
    """

    table: str
    pairs: Pairs
    failed: tuple[str, ...]
    models: dict[ModelKind, ModelErrors]
    curves: tuple[CurvePoint, ...]

    @property
    def loo_mape_percent(self) -> dict[str, float]:
        """Leave-one-out errors by kind, of the models that state one."""
        return {
            kind.value: errors.loo_mape_percent
            for kind, errors in self.models.items()
            if errors.loo_mape_percent is not None
        }
