"""The model card of a bundle, in Markdown: what the model is, how far its files agree, and what not to believe."""

from collections.abc import Iterable, Sequence

from mogakit.export.artifact import Artifact
from mogakit.export.bundle.layout import MODELS, SAMPLES, SNIPPETS, Bundle
from mogakit.export.preprocessing import Preprocessing
from mogakit.neutral import code, markdown

RANDOM_WARNING = "The weights are RANDOM: these files are for timing and for trying the code, they recognise nothing."
SHELL_WARNING = (
    "A benchmark binary started from a shell is not an app: it runs on other cores, at other clocks and with other "
    "permissions. Measure inside the app before promising anything."
)
TIMING_ONLY_WARNING = "The int8 and uint8 files were calibrated on noise: they are for timing only."


def warnings(bundle: Bundle) -> list[str]:
    """Return what not to believe of a bundle's files and of the latencies that came with them."""
    return _file_warnings(bundle) + ([SHELL_WARNING] if bundle.latencies else [])


def render(bundle: Bundle) -> str:
    """Return README.md."""
    parts = [
        f"# {markdown(bundle.network)}",
        *(f"> **{text}**" for text in _file_warnings(bundle)),
        _facts(bundle),
        "## Files",
        _table(
            ("file", "format", "precision", "bytes", "difference from torch", "checked with"),
            [_file_row(item) for item in bundle.artifacts],
        ),
        "The difference is the largest over the outputs of seeded inputs, divided by the largest output of torch.",
        _mace_text(bundle),
        *_quality(bundle),
        "## Preprocessing",
        _preprocessing(bundle),
        *_detection(bundle),
        "## Sample",
        f"`{SAMPLES}/` holds one input for each kind of file and what each file made of it where the bundle was built. "
        "`moga ship --check .` runs every file again and compares.",
        "## Latency",
        *_latency(bundle),
        "## Loading",
        f"`{SNIPPETS}/` has the lines for Android (Kotlin), Python and C++ with MACE.",
        "## Licence",
        "See `LICENSE-NOTE.txt`.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def licence_note(bundle: Bundle) -> str:
    """Return LICENSE-NOTE.txt: what is known of rights, and what is not."""
    weights = (
        "The weights are random numbers made by the kit; no licence applies to them."
        if bundle.random_weights
        else f"The weights come from the checkpoint with {bundle.weights}. Their licence is what its author says, and "
        "that of the data it was trained on; the kit does not know either."
    )
    return (
        f"The code in {SNIPPETS}/ and the files' structure were made by MoGA Kit {bundle.kit_version}, Apache-2.0.\n"
        f"The architecture is described in: {bundle.architecture_source}.\n"
        f"{weights}\n"
    )


def _file_warnings(bundle: Bundle) -> list[str]:
    found = [RANDOM_WARNING] if bundle.random_weights else []
    return found + ([TIMING_ONLY_WARNING] if bundle.calibrated_for_timing_only else [])


def _facts(bundle: Bundle) -> str:
    labels = "`labels.txt`, one a line" if bundle.has_labels else "not given; outputs are indices"
    return "\n".join(
        (
            f"- architecture: {markdown(bundle.architecture_source)}",
            f"- {bundle.params:,} parameters, {bundle.madds:,} multiply-adds, input {bundle.input_size} px, "
            f"{bundle.num_classes} classes",
            f"- weights: {markdown(bundle.weights)}",
            f"- labels: {labels}",
            f"- made by MoGA Kit {bundle.kit_version}, export version {bundle.export_version}",
        )
    )


def _file_row(artifact: Artifact) -> Sequence[object]:
    found = artifact.agreement
    return (
        code(artifact.path.as_posix()),
        artifact.format,
        artifact.precision,
        f"{artifact.num_bytes:,}",
        "-" if found is None else f"{found.relative:.2g}",
        "-" if found is None else markdown(found.checked_with),
    )


def _mace_text(bundle: Bundle) -> str:
    forms = {(item.notes or {}).get("h_sigmoid") for item in bundle.artifacts if item.format == "mace"} - {None}
    if not any(item.format == "mace" for item in bundle.artifacts):
        return ""
    text = (
        f"MACE: of the four `.pb` of a precision under `{MODELS}/`, `multi` is for v1.1.1 and later, `net` for v1.0.4 "
        "and earlier; all share one `.data`."
    )
    return text + (f" h-sigmoid is written as: {'; '.join(sorted(map(markdown, forms)))}." if forms else "")


def _quality(bundle: Bundle) -> list[str]:
    integers = [item for item in bundle.artifacts if "sqnr_db" in (item.notes or {})]
    if not integers:
        return []
    rows = []
    for item in integers:
        notes = item.notes or {}
        rows.append(
            (
                code(item.path.name),
                *map(markdown, (notes["sqnr_db"], notes.get("top1_agreement", "-"), notes["quality_on"])),
            )
        )
    return [
        "## Quantisation",
        f"Calibrated on: {markdown(bundle.calibration)}. Weights have one scale a channel. No tensor of the TFLite "
        "files is floating point; the ONNX file takes and gives float32, and its runtime computes in integers between.",
        _table(("file", "signal to noise, dB", "same top-1 as float", "on"), rows),
    ]


def _preprocessing(bundle: Bundle) -> str:
    recipe = bundle.preprocessing
    return "\n".join(
        (
            *_shaped(recipe),
            "3. divide by 255",
            f"4. subtract the mean {list(recipe.mean)} and divide by the standard deviation {list(recipe.std)}",
            "5. layout: one image, rows, columns, then red, green, blue for TFLite and MACE; channels first for ONNX. "
            "int8 and uint8 files take the same numbers, divided by the input's scale and shifted by its zero point, "
            "which stand in the file",
        )
    )


def _shaped(recipe: Preprocessing) -> Sequence[str]:
    if recipe.stretch:
        return ("1. take the whole image", f"2. stretch it to {recipe.size} x {recipe.size} px ({recipe.resample})")
    return (
        f"1. resize the shorter side to {recipe.resize_shorter_side} px ({recipe.resample})",
        f"2. cut the centre, {recipe.size} x {recipe.size}",
    )


def _detection(bundle: Bundle) -> list[str]:
    if bundle.detection is None:
        return []
    return [
        "## Outputs",
        f"`boxes` (1, anchors, 4) and `scores` (1, anchors, 1 + {bundle.num_classes}; column 0 is the background) are "
        f"raw. `{bundle.detection}` holds the anchors, the formula of the boxes, and the thresholds of the "
        "non-maximum suppression; the code under `snippets/` applies them. MACE files give one output for each map "
        "instead, which lie one behind the other as rows.",
    ]


def _latency(bundle: Bundle) -> list[str]:
    if not bundle.latencies:
        return ["No table or measurement was given."]
    rows = [
        (
            markdown(item.target),
            markdown(item.device),
            f"{item.latency_ms:.3f}",
            markdown(item.spread or "unknown"),
            markdown(", ".join(filter(None, (item.kind, item.comment)))),
            markdown(item.source),
        )
        for item in bundle.latencies
    ]
    return [_table(("target", "device", "ms", "spread", "kind", "source"), rows), SHELL_WARNING]


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [" | ".join(columns), " | ".join("---" for _ in columns)]
    lines += [" | ".join(str(cell) for cell in row) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)
