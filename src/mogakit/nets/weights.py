"""Weights from files, strictly: every tensor of the network, nothing else, and nothing executed while reading.

Three layouts are understood, each as it is, nested in a dictionary under `model_state`, `state_dict` or `model` (with
`ema`, under `state_dict_ema`, `model_ema` or `ema_state_dict`), or with every key prefixed `module.`, `_orig_mod.` or
`model.` (as DataParallel, torch.compile and Lightning leave it). Counters of operations (`total_ops`) are left out, and
`num_batches_tracked` may be missing:

- the kit's own, `blocks.<i>.<layer>...`;
- that of the MoGA authors (github.com/xiaomi-automl/MoGA): `stem.0.weight`, `mb_module.<i>.conv1.weight`, ...;
- either of them in `.safetensors`;
- with `source`, that of the package that published the weights (`published_weights`).
"""

import hashlib
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from pickle import UnpicklingError  # only the exception that torch.load raises; nothing is unpickled here
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from mogakit import records
from mogakit.errors import CheckpointError, InputError
from mogakit.files import write_bytes
from mogakit.nets.block import Op
from mogakit.nets.modules import NetworkModule
from mogakit.nets.network import Network
from mogakit.nets.published_weights import COUNTERS, LAYOUTS, WeightsSource, base_name, in_order

_NESTS = ("model_state", "state_dict", "model")
_EMA_NESTS = ("state_dict_ema", "model_ema", "ema_state_dict", "ema")
_PREFIXES = ("module.", "_orig_mod.", "model.")
_NOT_WEIGHTS = ("total_ops", "total_params")
"""What a counter of operations (thop) leaves in a state dict."""
_CHECKSUM = "sha256"
"""Key in the metadata of our own `.safetensors`."""


def load_weights(module: nn.Module, path: Path, source: WeightsSource | None = None, *, ema: bool = False) -> None:
    """Load a file of weights into a module.

    Args:
        source: whose layout the file has, where it is neither the kit's nor the MoGA authors'.
        ema: take the averaged weights that lie beside the others.

    Raises:
        CheckpointError: the file is not a checkpoint, or its tensors are not those of the module; the message names the
            first key that differs, with both shapes.
        OSError: the file cannot be read.
    """
    state = read_state(path, ema=ema)
    if source is not None:
        state = in_order(module, state, source, str(path))
    elif isinstance(module, NetworkModule):
        state = _in_own_layout(state, module.network)
    for key, value in module.state_dict().items():
        if key.endswith(COUNTERS):  # counts training steps and computes nothing
            state.setdefault(key, value)
    _check(module, state, path)
    module.load_state_dict(state, strict=True)


def save_weights(module: nn.Module, path: Path) -> None:
    """Write a module's weights atomically, in the kit's own layout, as `.safetensors`.

    Raises:
        CheckpointError: `path` has another suffix.
    """
    check_suffix(path)
    state = {key: value.contiguous() for key, value in module.state_dict().items()}
    write_bytes(path, save(state, {_CHECKSUM: digest_of(state)}))


def check_suffix(path: Path) -> None:
    """Check that weights can be written under this name, before anything long is begun.

    Raises:
        CheckpointError: the suffix is not `.safetensors`.
    """
    if path.suffix != ".safetensors":
        raise CheckpointError(f"weights are written as .safetensors, not as {path.name}")


def read_state(path: Path, *, ema: bool = False) -> dict[str, Tensor]:
    """Read the tensors of a checkpoint, out of any nest and without the prefixes that wrappers leave.

    Raises:
        CheckpointError: the file is not a checkpoint, or holds something other than tensors.
        OSError: the file cannot be read.
    """
    try:
        records.check_file(path, "file of weights")
    except InputError as error:
        raise CheckpointError(str(error)) from error
    safe = path.suffix == ".safetensors"
    if not safe and _is_safetensors(path):
        raise CheckpointError(f"{path} is a .safetensors file under another suffix; rename it to .safetensors")
    content = _read_safetensors(path) if safe else _read_torch(path)
    if ema:
        found = [nest for nest in _EMA_NESTS if isinstance(content, Mapping) and nest in content]
        if not found:
            raise CheckpointError(f"{path} holds no averaged weights; looked for {', '.join(_EMA_NESTS)} at the top")
        content = content[found[0]]
    for nest in _NESTS:
        if isinstance(content, Mapping) and isinstance(content.get(nest), Mapping):
            content = content[nest]
    if not isinstance(content, Mapping) or not content:
        raise CheckpointError(f"{path} holds a {type(content).__name__}, not a dictionary of tensors")
    others = [str(key) for key, value in content.items() if not isinstance(value, Tensor)]
    if others:
        raise CheckpointError(
            f"{path} holds no state dict: {others[0]!r} is not a tensor. Tensors are looked for at the top and under "
            f"{', '.join(map(repr, _NESTS))}"
        )
    state = {str(key): value for key, value in content.items() if str(key).rpartition(".")[2] not in _NOT_WEIGHTS}
    while prefix := next((one for one in _PREFIXES if state and all(key.startswith(one) for key in state)), None):
        state = {key.removeprefix(prefix): value for key, value in state.items()}
    for key, value in state.items():
        if problem := _problem(value):
            raise CheckpointError(f"{path}: {key!r} {problem}")
    return state


def _problem(value: Tensor) -> str | None:
    """Return why a tensor is not a weight that can be loaded, or None."""
    if value.is_meta:
        return "is a meta tensor: it has a shape and no numbers. Save the checkpoint after the weights were loaded"
    if value.layout is not torch.strided:
        return f"is a sparse tensor ({value.layout}); save it after .to_dense()"
    if value.is_quantized:
        return "is a quantised tensor; save the float checkpoint, and let --precision int8 quantise it"
    if value.is_complex():
        return f"holds complex numbers ({value.dtype}); weights are real"
    if value.is_floating_point() and not bool(torch.isfinite(value).all()):
        kind = "NaN" if bool(torch.isnan(value).any()) else "infinities"
        return f"holds {kind}: training has diverged, or the file is damaged"
    return None


def _is_safetensors(path: Path) -> bool:
    """Return whether a file starts as a `.safetensors` file does: with the length of a JSON object, and its brace."""
    with path.open("rb") as file:
        head = file.read(9)
    return len(head) == 9 and head[8:] == b"{" and 2 <= int.from_bytes(head[:8], "little") < path.stat().st_size


def _read_torch(path: Path) -> Any:
    """Read a file of `torch.save` without executing anything from it."""
    if zipfile.is_zipfile(path):  # files of torch before 1.6 have another layout, and no checksums
        try:
            records.check_zip(path, "file of torch.save")
        except InputError as error:
            raise CheckpointError(str(error)) from error
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (
        UnpicklingError,
        RuntimeError,
        EOFError,
        ValueError,
        KeyError,
        TypeError,
        IndexError,
        AttributeError,
    ) as error:
        reason = _reason(error)
        raise CheckpointError(
            f"{path} cannot be read as a checkpoint of torch.save with tensors only ({reason}). If it comes from a "
            "download, check that it is not an archive around the file; if it holds whole objects, save its "
            "state_dict() instead"
        ) from error


def _reason(error: Exception) -> str:
    """Return in a few words why torch does not read a file; its own advice, to read it unsafely, is left out."""
    message = str(error).strip()
    if isinstance(error, UnpicklingError) or "weights_only" in message:
        named = re.search(r"GLOBAL (\S+)", message)
        return f"it holds an object of {named[1]}" if named else "its pickle is damaged or holds more than tensors"
    return message.splitlines()[0] if message else type(error).__name__


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    """Read a `.safetensors` file."""
    try:
        state = load_file(path)
        with safe_open(path, "pt") as opened:
            stated = (opened.metadata() or {}).get(_CHECKSUM)
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{path} is not a .safetensors file: {error}") from error
    if stated is not None and stated != digest_of(state):
        raise CheckpointError(f"{path} was changed after it was written: its checksum does not match")
    return state


def digest_of(value: Any) -> str:
    """Return a SHA-256 over tensors (types, shapes, bytes) and plain values in dictionaries, lists and tuples."""
    digest = hashlib.sha256()
    _feed(digest, value)
    return digest.hexdigest()


def _feed(digest: "hashlib._Hash", value: Any) -> None:
    if isinstance(value, Tensor):
        digest.update(f"tensor {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    elif isinstance(value, Mapping):
        digest.update(f"mapping {len(value)}\n".encode())
        for key in sorted(value, key=repr):
            digest.update(f"{key!r}\n".encode())
            _feed(digest, value[key])
    elif isinstance(value, list | tuple):
        digest.update(f"list {len(value)}\n".encode())
        for one in value:
            _feed(digest, one)
    else:
        digest.update(f"{value!r}\n".encode())


def _in_own_layout(state: dict[str, Tensor], network: Network) -> dict[str, Tensor]:
    """Rename the keys of the MoGA authors' layout to the kit's own; keys of other layouts stay."""
    if not any(key.startswith("mb_module.") for key in state):
        return state
    renames = {theirs: own for own, theirs in authors_layers(network)}
    renamed = {}
    for key, value in state.items():
        layer, _, leaf = key.rpartition(".")
        renamed[f"{renames[layer]}.{leaf}" if layer in renames else key] = value
    return renamed


def authors_layers(network: Network) -> Iterator[tuple[str, str]]:
    """Yield (own name, name in the MoGA authors' code) of every layer of a network of the MoGA shape.

    Raises:
        CheckpointError: the network is not a stem, one `sep`, `mb` blocks and a head with two convolutions.
    """
    ops = [block.op for block in network.blocks]
    count = len(ops) - 3
    head = network.blocks[-1]
    if ops != [Op.CONV, Op.SEP, *[Op.MB] * count, Op.HEAD] or head.features is None or head.hidden is None:
        raise CheckpointError(
            f"the checkpoint has the layout of the MoGA authors, which fits networks of that shape only, "
            f"not {network.name!r}"
        )
    yield from _pairs("blocks.0.conv", "stem", "0", "1")
    yield from _pairs("blocks.1.depthwise", "separable_conv", "0", "1")
    yield from _pairs("blocks.1.project", "separable_conv", "3", "4")
    for index in range(count):
        own, theirs = f"blocks.{index + 2}", f"mb_module.{index}"
        for number, layer in enumerate(("expand", "depthwise", "project"), start=1):
            yield from _pairs(f"{own}.{layer}", theirs, f"conv{number}", f"bn{number}")
        yield f"{own}.se.reduce", f"{theirs}.mid_se.conv.0"
        yield f"{own}.se.expand", f"{theirs}.mid_se.fc.0"
    last = f"blocks.{count + 2}"
    yield from _pairs(f"{last}.features", "conv_before_pooling", "0", "1")
    yield f"{last}.hidden.conv", "conv_head.0"
    yield f"{last}.classifier", "classifier"


def _pairs(own: str, theirs: str, conv: str, norm: str) -> Iterator[tuple[str, str]]:
    """Yield the names of a convolution and of its batch norm."""
    yield f"{own}.conv", f"{theirs}.{conv}"
    yield f"{own}.norm", f"{theirs}.{norm}"


def _check(module: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Compare a file's tensors with those of a module.

    Raises:
        CheckpointError: at the first key that is missing, has another shape, or is not the module's.
    """
    wanted = module.state_dict()
    for key, value in wanted.items():
        shape = _shape(value)
        if key not in state:
            unused = next((other for other in state if other not in wanted), None)
            hint = f"; the file has {unused!r} {_shape(state[unused])} in its stead" if unused else ""
            raise CheckpointError(
                f"{path} does not fit: {key!r} of shape {shape} is missing{hint}{_other_sources(module)}"
            )
        if state[key].shape != value.shape:
            raise CheckpointError(
                f"{path} does not fit: {key!r} has shape {_shape(state[key])} in the file, {shape} in the network"
            )
        if value.is_floating_point() and not state[key].is_floating_point():
            raise CheckpointError(
                f"{path} does not fit: {key!r} holds {state[key].dtype}, the integers of a quantised checkpoint; "
                "without their scales they are not weights. Give the float checkpoint"
            )
    for key in state:
        if key not in wanted:
            raise CheckpointError(
                f"{path} does not fit: {key!r} of shape {_shape(state[key])} has no place in the network"
            )


def _other_sources(module: nn.Module) -> str:
    known = LAYOUTS.get(base_name(module.network.name), {}) if isinstance(module, NetworkModule) else {}
    return f". If a package has published it, name that: --weights-from {' | '.join(known)}" if known else ""


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"
