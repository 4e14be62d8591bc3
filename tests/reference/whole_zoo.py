"""Every network of the zoo with ordinary statistics becomes a whole bundle, and the bundle passes its own check.

`make zoo` runs it by its name; it takes about five minutes of CPU, too long for `make test`.

With a mean of 0 and a variance of 1 errors are ten times smaller than those of real checkpoints; here none is.
"""

from pathlib import Path

import pytest
import torch
from ordinary import ordinary_network

from mogakit.export.artifact import Format, Precision
from mogakit.flows.deploy.export import export_network
from mogakit.flows.deploy.ship import SHIPPED, ShipRequest, ship
from mogakit.flows.deploy.ship_check import check
from mogakit.nets import zoo

NOT_SHIPPED = (Precision.DYNAMIC_RANGE, Precision.INT8_FLOAT_IO, Precision.INT16X8)


@pytest.mark.parametrize("name", zoo.names())
def test_a_network_of_the_zoo_is_shipped_with_ordinary_statistics(name: str, tmp_path: Path) -> None:
    network = zoo.get(name).network
    weights = tmp_path / "ordinary.pth"
    torch.save(ordinary_network(network)[0].state_dict(), weights)
    bundle = ship(ShipRequest(network=network, weights=weights), tmp_path / "bundle")
    assert len(bundle.artifacts) == len(SHIPPED)
    assert [str(each) for each in check(tmp_path / "bundle") if not each.passed] == []
    for precision in NOT_SHIPPED:
        (made,) = export_network(network, [Format.TFLITE], precision, tmp_path / "others", weights)
        assert made.precision is precision and made.agreement is not None
