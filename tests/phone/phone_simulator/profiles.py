"""The phones that can be played: properties, clusters, accelerators and how fast each part computes.

The properties and clusters are those of real phones; the speeds are invented, of the right order.
"""

from dataclasses import dataclass, field

CPU_KINDS = ("CONV", "DWCONV", "FC", "ADD", "MUL", "HARD_SWISH", "LOGISTIC", "MEAN", "POOL", "PAD", "RESHAPE", "OTHER")


@dataclass(frozen=True)
class Cluster:
    """Equal cores. `speed` is relative to the fastest cluster of the phone."""

    cpus: tuple[int, ...]
    min_khz: int
    max_khz: int
    capacity: int
    speed: float

    @property
    def mask(self) -> int:
        """Return the cluster as bits, core 0 lowest."""
        return sum(1 << cpu for cpu in self.cpus)


@dataclass(frozen=True)
class Unit:
    """One way of computing a graph.

    Attributes:
        giga_macs_per_s: of a dense convolution in the unit's best precision.
        gigabytes_per_s: of activations and weights.
        dispatch_us: per operator.
        overhead_ms: per run of the whole graph, whatever its length.
        refuses: kinds of operators that it does not take, as (kind, dtype); "*" for any.
        watts: what it heats the phone with.
    """

    giga_macs_per_s: float
    gigabytes_per_s: float
    dispatch_us: float
    overhead_ms: float = 0.0
    refuses: tuple[tuple[str, str], ...] = ()
    watts: float = 2.0

    def takes(self, kind: str, dtype: str) -> bool:
        """Whether the unit computes this kind of operator in this type."""
        return not any(k in (kind, "*") and d in (dtype, "*") for k, d in self.refuses)


_FLOAT_ONLY = (("*", "int8"), ("*", "uint8"))
_INT_ONLY = (("*", "float32"), ("*", "float16"))


@dataclass(frozen=True)
class Profile:
    """Everything that makes one phone differ from another."""

    name: str
    serialno: str
    props: dict[str, str]
    clusters: tuple[Cluster, ...]
    gles: str
    opencl: bool
    nnapi: tuple[str, ...]
    """Accelerators that NNAPI lists, without its reference."""
    units: dict[str, Unit] = field(default_factory=dict)
    data_kb: int = 112_823_268
    disk_used_kb: int = 45_340_512
    sensors: tuple[tuple[str, int], ...] = (("AP", 0), ("LRB", 3), ("SUBBAT", 2))
    abis: tuple[str, ...] = ("arm64-v8a", "armeabi-v7a", "armeabi")

    @property
    def model(self) -> str:
        """Return the name that people read."""
        return self.props["ro.product.model"]

    @property
    def big(self) -> Cluster:
        """Return the fastest cluster."""
        return max(self.clusters, key=lambda cluster: (cluster.capacity, cluster.max_khz))


def _props(values: dict[str, str], serialno: str, sdk: str, release: str) -> dict[str, str]:
    common = {
        "ro.product.cpu.abi": "arm64-v8a",
        "ro.product.cpu.abilist": "arm64-v8a,armeabi-v7a,armeabi",
        "ro.build.version.sdk": sdk,
        "ro.build.version.release": release,
        "ro.build.type": "user",
        "ro.opengles.version": "196610",
        "ro.serialno": serialno,
        "ro.boot.serialno": serialno,
        "sys.boot_completed": "1",
    }
    return common | values


PIXEL_6 = Profile(
    name="pixel-6",
    serialno="1A081FDEE0001T",
    props=_props(
        {
            "ro.product.manufacturer": "Google",
            "ro.product.brand": "google",
            "ro.product.name": "oriole",
            "ro.product.model": "Pixel 6",
            "ro.product.device": "oriole",
            "ro.board.platform": "gs101",
            "ro.hardware": "oriole",
            "ro.soc.manufacturer": "Google",
            "ro.soc.model": "Tensor",
            "ro.build.version.incremental": "11748468",
            "ro.build.version.security_patch": "2025-05-05",
            "ro.build.fingerprint": "google/oriole/oriole:15/BP1A.250505.005/13277524:user/release-keys",
            "ro.hardware.egl": "mali",
            "ro.hardware.vulkan": "mali",
        },
        "1A081FDEE0001T",
        "35",
        "15",
    ),
    clusters=(
        Cluster((0, 1, 2, 3), 300_000, 1_803_000, 124, 0.22),
        Cluster((4, 5), 400_000, 2_253_000, 427, 0.62),
        Cluster((6, 7), 500_000, 2_802_000, 1024, 1.0),
    ),
    gles="ARM, Mali-G78, OpenGL ES 3.2 v1.r51p0-00eac0.1a41bfd66eb0dae34f26a17b1ae9a1bd",
    opencl=True,
    nnapi=("google-edgetpu",),
    units={
        "cpu-xnnpack": Unit(14.0, 11.0, 0.6, 0.0, (("HARD_SWISH", "int8"), ("HARD_SWISH", "uint8"))),
        "cpu-plain": Unit(6.0, 6.0, 1.5, 0.001),
        "cpu-onnx": Unit(12.0, 10.0, 1.1, 0.01),
        "cpu-mace": Unit(9.0, 8.0, 2.0, 0.05),
        "gpu": Unit(62.0, 17.0, 9.0, 2.0, (("*", "uint8"),), watts=3.0),
        "gpu-gl": Unit(38.0, 11.0, 14.0, 3.1, (("*", "uint8"),), watts=3.0),
        "gpu-mace": Unit(51.0, 15.0, 12.0, 2.4, _FLOAT_ONLY, watts=3.0),
        "google-edgetpu": Unit(420.0, 30.0, 1.0, 0.7, (*_INT_ONLY, ("HARD_SWISH", "*")), watts=2.5),
        "nnapi-reference": Unit(0.9, 1.0, 5.0, 0.1),
    },
)

SNAPDRAGON_8_GEN_2 = Profile(
    name="snapdragon-8-gen-2",
    serialno="R5CW31ABCDE",
    props=_props(
        {
            "ro.product.manufacturer": "samsung",
            "ro.product.brand": "samsung",
            "ro.product.name": "dm1qxxx",
            "ro.product.model": "SM-S911B",
            "ro.product.device": "dm1q",
            "ro.board.platform": "kalama",
            "ro.hardware": "qcom",
            "ro.soc.manufacturer": "QTI",
            "ro.soc.model": "SM8550",
            "ro.build.version.incremental": "S911BXXU3AWG5",
            "ro.build.version.security_patch": "2023-07-01",
            "ro.build.fingerprint": "samsung/dm1qxxx/dm1q:13/TP1A.220624.014/S911BXXU3AWG5:user/release-keys",
            "ro.hardware.egl": "adreno",
            "ro.hardware.vulkan": "adreno",
        },
        "R5CW31ABCDE",
        "33",
        "13",
    ),
    clusters=(
        Cluster((0, 1, 2), 307_200, 2_016_000, 326, 0.3),
        Cluster((3, 4, 5, 6), 499_200, 2_803_200, 829, 0.78),
        Cluster((7,), 595_200, 3_187_200, 1024, 1.0),
    ),
    gles=(
        "Qualcomm, Adreno (TM) 740, OpenGL ES 3.2 V@0676.0 (GIT@1c3a2f1b3e, I6e1b5a7b8b, 1689302445) (Date:07/14/23)"
    ),
    opencl=True,
    nnapi=("qti-default", "qti-dsp", "qti-gpu"),
    units={
        "cpu-xnnpack": Unit(21.0, 16.0, 0.4, 0.0, (("HARD_SWISH", "int8"), ("HARD_SWISH", "uint8"))),
        "cpu-plain": Unit(9.0, 8.0, 1.1, 0.001),
        "cpu-onnx": Unit(18.0, 13.0, 0.9, 0.008),
        "cpu-mace": Unit(14.0, 11.0, 1.5, 0.04),
        "gpu": Unit(118.0, 30.0, 6.0, 1.3, (("*", "uint8"),), watts=3.5),
        "gpu-gl": Unit(70.0, 20.0, 10.0, 2.2, (("*", "uint8"),), watts=3.5),
        "gpu-mace": Unit(98.0, 26.0, 8.0, 1.6, _FLOAT_ONLY, watts=3.5),
        "qti-dsp": Unit(300.0, 25.0, 2.0, 1.1, (*_INT_ONLY, ("HARD_SWISH", "*"))),
        "qti-gpu": Unit(100.0, 26.0, 8.0, 1.8, _FLOAT_ONLY),
        "qti-default": Unit(250.0, 22.0, 3.0, 1.4, _INT_ONLY),
        "hexagon": Unit(280.0, 25.0, 2.0, 0.9, _INT_ONLY),
        "qnn-htp": Unit(600.0, 40.0, 1.0, 0.5, _INT_ONLY),
        "qnn-dsp": Unit(300.0, 25.0, 2.0, 0.9, _INT_ONLY),
        "qnn-gpu": Unit(110.0, 28.0, 7.0, 1.4, _FLOAT_ONLY),
        "nnapi-reference": Unit(1.1, 1.2, 5.0, 0.1),
    },
    sensors=(("CPU0", 0), ("GPU0", 1), ("SKIN", 3), ("BATTERY", 2)),
)

PROFILES = {profile.name: profile for profile in (PIXEL_6, SNAPDRAGON_8_GEN_2)}
