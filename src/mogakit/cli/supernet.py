"""`moga supernet`."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mogakit.cli.alternate import command as alternate
from mogakit.cli.broken_images import print_broken_images
from mogakit.cli.command import group, ignored
from mogakit.cli.output import demo_steps, json_option, log_option, print_json, print_table, progress_bar, say
from mogakit.cli.training_options import NUM_WORKERS, WORKERS, recipe_options, torch_device_option, training_options
from mogakit.cli.types import (
    CHROMOSOME,
    COUNT,
    FILE,
    NEW_FILE,
    NEW_FOLDER,
    PIXELS,
    SEED,
    SPACE,
    Number,
    Vocabulary,
    Whole,
)
from mogakit.training.recipes import RECIPES

if TYPE_CHECKING:
    from mogakit.flows.train.supernet import RankResult
    from mogakit.nets.spaces import Chromosome

NUM_RANKED = 12
"""As `flows.demo.digits.DEFAULT_EFFORTS.num_ranked` (a test compares them)."""

EPILOG = """
\b
Examples:
  moga supernet train --space moga --data imagenet/ -o runs/supernet
  moga supernet train --space digits --data digits --recipe digits --warm-epochs 8 -o runs/digits
  moga supernet eval runs/digits/supernet.pt 0-1-2-3-4-5
  moga supernet extract runs/digits/supernet.pt 0-1-2-3-4-5 -o runs/picked.safetensors
  moga supernet rank runs/digits/supernet.pt -o runs/ranking
  moga supernet alternate --space digits --data digits --recipe digits --table RUN/lut.json --target-ms 0.05 -o turn
  moga search --space digits --accuracy supernet:runs/digits/supernet.pt --table RUN/lut.json -o runs/search
"""


@group("supernet", epilog=EPILOG)
def command() -> None:
    """Train one set of weights for all networks of a space, alone or with a controller; score, rank and extract."""


command.add_command(alternate)


@command.command("train")
@click.option("--space", default="moga", show_default=True, type=SPACE, help="Search space.")
@click.option("--data", required=True, help="Image folder (one folder a class), or the word digits.")
@click.option("--recipe", type=click.Choice(list(RECIPES)), default="moga-supernet", show_default=True, help="How.")
@click.option(
    "--strategy",
    type=Vocabulary("mogakit.search.supernet.fairness:Strategy", "fair", "uniform", "single"),
    default="fair",
    show_default=True,
    help="fair: every choice of every slot once a step (FairNAS); uniform and single are baselines.",
)
@click.option(
    "--shared-scale",
    type=Vocabulary("mogakit.search.supernet.fairness:SharedScale", "mean", "sum"),
    default="mean",
    show_default=True,
    help="How gradients of stem and head are scaled over a step's paths; the papers leave it open, mean is ours.",
)
@click.option(
    "--warm-epochs",
    type=Number(0, 1_000_000),
    default=0.0,
    show_default=True,
    help="Train the largest path first and copy its slices into the others: a deviation that small machines need.",
)
@click.option("--input-size", type=PIXELS, help="Pixels; default: the space's own.")
@training_options
@click.option("-o", "--output", "folder", required=True, type=NEW_FOLDER, help="Folder of the run.")
@log_option
@json_option
def train(
    space: str,
    data: str,
    recipe: str,
    strategy: str,
    shared_scale: str,
    warm_epochs: float,
    input_size: int | None,
    training: dict[str, Any],
    folder: Path,
    as_json: bool,
) -> None:
    """Train the shared weights of a space."""
    from mogakit.flows.train.supernet import SupernetRequest, run_supernet_training
    from mogakit.search.supernet.fairness import SharedScale, Strategy

    request = SupernetRequest(
        space=space,
        data=data,
        recipe=recipe,
        folder=folder,
        strategy=Strategy(strategy),
        shared_scale=SharedScale(shared_scale),
        warm_epochs=warm_epochs,
        input_size=input_size,
        **training,
    )
    with progress_bar(f"supernet of {space}") as progress:
        summary = run_supernet_training(request, progress)
    if as_json:
        print_json(asdict(summary))
        return
    rows = [(name.replace("_", " "), value) for name, value in asdict(summary).items() if name != "broken_images"]
    print_table(f"Supernet of {space}", ("what", "value"), [*rows, ("broken images", len(summary.broken_images))])
    print_broken_images(summary.broken_images)


@command.command("eval")
@click.argument("checkpoint", type=FILE)
@click.argument("chromosomes", nargs=-1, type=CHROMOSOME, metavar="[CHROMOSOME]...")
@click.option(
    "--random",
    "num_random",
    type=Whole(0, 100_000),
    default=0,
    show_default=True,
    help="Score random networks as well.",
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of the random networks.")
@click.option("--data", help="Images; default: those it was trained with.")
@log_option
@json_option
@ignored("seed", when=lambda given: not given["num_random"], because="it is of random networks; add --random N")
def evaluate(
    checkpoint: Path, chromosomes: tuple[Chromosome, ...], num_random: int, seed: int, data: str | None, as_json: bool
) -> None:
    """Score CHROMOSOMES (8-10-6-...) inside a supernet, with recalibrated batch norms."""
    if not chromosomes and not num_random:
        raise click.UsageError("name chromosomes, or --random N")
    from mogakit.flows.train.supernet import evaluate_paths, random_paths

    chosen = [*chromosomes, *random_paths(checkpoint, num_random, seed)]
    with progress_bar("evaluating") as progress:
        found = evaluate_paths(checkpoint, chosen, data, progress=progress)
    if as_json:
        print_json(asdict(found))
        return
    scores = found.networks
    rows = [
        (each.chromosome, f"{each.params / 1e6:.3f}", f"{each.score.top1_percent:.2f}", f"{each.score.nll:.4f}")
        for each in scores
    ]
    caption = f"{scores[0].score.num_images} validation images, the same for all"
    print_table("Inside the supernet", ("chromosome", "params (M)", "top-1 (%)", "NLL (nats)"), rows, caption)
    print_broken_images(found.broken_images)


@command.command("extract")
@click.argument("checkpoint", type=FILE)
@click.argument("chromosome", type=CHROMOSOME)
@click.option("--raw", is_flag=True, help="Leave batch norms as training left them, averages over all paths.")
@click.option("--data", help="Images that batch norms are recalibrated on; default: those it was trained with.")
@torch_device_option
@click.option("-o", "--output", "weights", required=True, type=NEW_FILE, help="File, NAME.safetensors.")
@json_option
@ignored("data", when=lambda given: given["raw"], because="--raw recalibrates nothing")
def extract(
    checkpoint: Path,
    chromosome: Chromosome,
    raw: bool,
    data: str | None,
    device: str | None,
    weights: Path,
    as_json: bool,
) -> None:
    """Write the weights of CHROMOSOME (8-10-6-...) as a network of its own, which exports, checks and ships.

    Its batch norms are recalibrated on training images, as evaluation does, so that the file is what was scored.
    """
    from mogakit.flows.train.supernet_extract import ExtractRequest, extract_network

    request = ExtractRequest(
        checkpoint=checkpoint,
        chromosome=chromosome,
        weights=weights,
        data=data,
        raw=raw,
        device=device,
    )
    made = extract_network(request)
    if as_json:
        print_json(asdict(made))
        return
    norms = "as training left them" if made.recalibrated_on is None else f"recalibrated on {made.recalibrated_on}"
    rows = [
        ("input", f"{made.input_size} px, {made.num_classes} classes"),
        ("params (M)", f"{made.params / 1e6:.3f}"),
        ("batch norms", norms),
        ("weights", made.weights),
    ]
    print_table(made.network, ("what", "value"), rows)
    print_broken_images(made.broken_images)
    given = f"{made.network} --weights {made.weights} --input-size {made.input_size} --classes {made.num_classes}"
    say(f"Next: moga export model {given} -o models")
    say(f"Next: moga ship {given} -o bundle")


@command.command("rank")
@click.argument("checkpoint", type=FILE)
@click.option(
    "--networks",
    default=12,
    show_default=True,
    type=Whole(2, 10_000),
    help="Networks to train alone, with two seeds each.",
)
@click.option("--recipe", type=click.Choice(list(RECIPES)), help="For those; needed unless the images are digits.")
@recipe_options
@click.option("--batch-size", type=COUNT, help="Instead of the recipe's.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of the choice and of training.")
@torch_device_option
@click.option("--bfloat16", is_flag=True, help="Autocast to bfloat16 in those trainings.")
@click.option("--workers", type=WORKERS, default=NUM_WORKERS, show_default=True, help="Threads that decode images.")
@click.option("-o", "--output", "folder", type=NEW_FOLDER, help="Folder for ranking.json and the trainings.")
@click.option("--resume", is_flag=True, help="Go on where a killed ranking was; needs -o.")
@log_option
@json_option
@ignored("resume", when=lambda given: given["folder"] is None, because="it goes on in a folder; name it with -o")
def rank(
    checkpoint: Path,
    networks: int,
    recipe: str | None,
    changes: dict[str, Any],
    batch_size: int | None,
    seed: int,
    device: str | None,
    bfloat16: bool,
    workers: int,
    folder: Path | None,
    resume: bool,
    as_json: bool,
) -> None:
    """Compare the supernet's order of networks with that of training them alone.

    Printed beside Kendall's tau: its ceiling (one seed of those trained alone against another) and the baseline that
    any honest report needs (order by parameters alone).
    """
    from mogakit import records
    from mogakit.flows.train.supernet import rank_supernet
    from mogakit.training.loop import Settings

    settings = Settings(seed=seed, batch_size=batch_size, bfloat16=bfloat16, num_workers=workers, **changes)
    with progress_bar("ranking") as progress:
        result = rank_supernet(checkpoint, networks, recipe, settings, folder, progress, device, resume)
    if as_json:
        print_json(records.document(result))
    else:
        print_ranking(result)


@command.command("demo")
@click.option(
    "-o", "--output", "folder", type=NEW_FOLDER, default=Path("digits"), show_default=True, help="Folder of it all."
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of everything random.")
@click.option(
    "--networks",
    show_default=True,
    default=NUM_RANKED,
    type=Whole(2, 10_000),
    help="Networks to train alone for the ranking.",
)
@log_option
@json_option
def demonstration(folder: Path, seed: int, networks: int, as_json: bool) -> None:
    """Supernet, table, search, three picks trained alone, ranking: on scikit-learn's digits, in minutes on a CPU.

    A demonstration that was stopped goes on where it was.
    """
    from mogakit import records
    from mogakit.flows.demo.digits import DEFAULT_EFFORTS, run_digits_demo

    with demo_steps() as step:
        result = run_digits_demo(folder, seed, replace(DEFAULT_EFFORTS, num_ranked=networks), step)
    if as_json:
        print_json(records.to_json(result))
        return
    rows = [
        (
            pick.network,
            f"{pick.supernet_top1_percent:.1f}",
            f"{pick.alone.score.top1_percent:.1f}",
            f"{1000 * pick.predicted_ms:.1f}",
        )
        for pick in result.picks
    ]
    columns = ("pick", "top-1 in the supernet (%)", "top-1 alone (%)", "predicted latency (µs)")
    print_table("Picks, trained alone and exported", columns, rows, f"search: {result.search_how}")
    print_ranking(result.ranking)
    say(result.proves_not)
    say(f"Open {result.page} in a browser.")
    for pick in result.picks:
        say(f"Ship: moga ship {pick.network} --classes 10 --weights {pick.alone.checkpoint} -o {pick.bundle}")


def print_ranking(result: RankResult) -> None:
    """Print the networks and the three taus."""
    from mogakit.nets.spaces import format_chromosome

    rows = [
        (
            format_chromosome(each.chromosome),
            f"{each.params / 1e6:.3f}",
            f"{each.supernet.top1_percent:.1f}",
            f"{each.supernet.nll:.3f}",
            *(f"{score.top1_percent:.1f} / {score.nll:.3f}" for score in each.alone),
        )
        for each in result.by_top1.networks
    ]
    columns = ("chromosome", "params (M)", "supernet top-1", "supernet NLL", "alone, seed 1", "alone, seed 2")
    print_table("Trained alone (top-1 % / NLL) beside the supernet", columns, rows)
    taus = [
        (each.figure, f"{each.tau:.3f}", f"{each.p_value:.3f}", f"{each.ceiling:.3f}", f"{each.params_only:.3f}")
        for each in (result.by_likelihood, result.by_top1)
    ]
    headings = ("ranked by", "tau", "p", "ceiling (seed against seed)", "params alone")
    print_table(f"Kendall tau over {len(rows)} networks", headings, taus)
    print_broken_images(result.broken_images)
