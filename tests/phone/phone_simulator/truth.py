"""From a target of the kit to what the latency model is asked for."""

from phone_simulator.graphs import Model
from phone_simulator.latency import Plan, Request, Truth, divide

_NNAPI_DEFAULT = ("google-edgetpu", "qti-default")


def request_of(truth: Truth, target: str) -> Request:
    """Return the request that a tool makes of the phone for `target`, e.g. `tflite/gpu/float16,backend=gl`.

    Raises:
        KeyError: the phone has nothing of that kind.
    """
    head, *items = target.split(",")
    runtime, hardware, precision = head.split("/")
    options = dict(item.split("=", 1) for item in items)
    threads = int(options.get("threads", "1"))
    cpus = _cpus(truth, options.get("cpus", "big"))
    half = precision == "float16" and hardware in ("gpu", "nnapi")
    if hardware == "cpu":
        unit = {"tflite": "cpu-xnnpack", "onnx": "cpu-onnx", "mace": "cpu-mace", "snpe": "cpu-plain"}[runtime]
        if options.get("xnnpack") == "off":
            unit = "cpu-plain"
    elif options.get("delegate") == "qnn" or (runtime == "onnx" and hardware in ("htp", "npu")):
        unit = f"qnn-{'htp' if hardware == 'npu' else hardware}"
    elif hardware == "gpu":
        unit = {"mace": "gpu-mace", "snpe": "qnn-gpu"}.get(
            runtime, "gpu-gl" if options.get("backend") == "gl" else "gpu"
        )
        half = half and runtime not in ("snpe", "mace")  # their files say how they compute
    elif hardware == "edgetpu":
        unit = "google-edgetpu"
    elif hardware == "nnapi":
        fallback = next((name for name in _NNAPI_DEFAULT if name in truth.profile.nnapi), "nnapi-reference")
        unit = options.get("accelerator", fallback)
    else:
        unit = "hexagon" if runtime == "tflite" and hardware == "dsp" else f"qnn-{hardware}"
    truth.profile.units[unit]
    return Request(unit, half, threads, cpus)


def _cpus(truth: Truth, name: str) -> int | None:
    clusters = sorted(truth.profile.clusters, key=lambda cluster: (cluster.capacity, cluster.max_khz))
    named = {"big": clusters[-1].mask, "little": clusters[0].mask, "all": sum(c.mask for c in clusters)}
    if name == "mid":
        return clusters[-2].mask
    return named[name] if name in named else int(name, 16)


def truth_ms(truth: Truth, model: Model, target: str) -> float:
    """Return the exact latency of a file on a target; what the unit refuses runs on the CPU and counts."""
    request = request_of(truth, target)
    limit = 1 if request.unit in ("gpu", "gpu-gl") else 0
    plan: Plan = divide(model.operators, truth.profile.units[request.unit], limit)
    return truth.file_ms(model.operators, request, plan)
