"""What runtimes raise on a file that they do not take."""

import sys

_ONNX_RUNTIME = "onnxruntime.capi.onnxruntime_pybind11_state"


def runtime_failures() -> tuple[type[BaseException], ...]:
    """Return the exceptions that LiteRT and ONNX Runtime raise when they load or run a file.

    ONNX Runtime's own (`InvalidGraph`, `NotImplemented`, ...) have nothing in common but their module; they are there
    once it is loaded.
    """
    module = sys.modules.get(_ONNX_RUNTIME)
    own = [] if module is None else [kind for kind in vars(module).values() if _is_exception(kind)]
    return (ValueError, RuntimeError, TypeError, MemoryError, OSError, *own)


def _is_exception(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Exception)
