"""A latency table of this computer, a prediction with its parts, and how wrong the table is."""

from pathlib import Path

import mogakit as mk

FOLDER = Path("example-runs")


def main() -> None:
    # Every block of the space alone, the overhead of a run, and a few whole networks to calibrate their sum.
    run = mk.profile_space("digits", FOLDER / "digits", quick=True, resume=True)
    print(run.table)

    network = mk.get_network("digits/0-3-6-9-0-3")
    prediction = mk.predict(network, run)
    print(f"{network.name}: {prediction.latency_ms:.4f} ms, of which once {prediction.overhead_ms:.4f} ms")
    for part in prediction.parts:
        print(f"  {part.latency_ms:.4f} ms  {part.key}")

    # Networks that the calibration has not seen, measured and predicted.
    validation = mk.validate_table(run, num_networks=5, quick=True, resume=True)
    print(validation)
    print(validation.to_pandas()[["network", "measured_ms", "calibrated_ms"]])


if __name__ == "__main__":
    main()
