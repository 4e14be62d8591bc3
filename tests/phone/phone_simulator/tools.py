"""Which played tool answers a run of a pushed binary."""

from typing import TYPE_CHECKING

from phone_simulator.benchmark_model import benchmark_model
from phone_simulator.binaries import Tool
from phone_simulator.invocation import Invocation
from phone_simulator.litert_benchmark import litert_benchmark
from phone_simulator.mace_run import mace_run
from phone_simulator.ort_perf_test import ort_perf_test
from phone_simulator.run import Ended, Run
from phone_simulator.snpe import snpe

if TYPE_CHECKING:
    from phone_simulator.workbench import Workbench


async def serve_tool(phone: "Workbench", call: Invocation, tool: dict[str, str]) -> int:
    """Run a tool for a waiting process; return its exit status."""
    run = Run(phone, call)
    name, version = tool["tool"], tool["version"]
    lost = next((library for library in _needed(phone, name) if not _loads(phone, call, library)), None)
    if lost is not None:
        await call.complain(
            f'CANNOT LINK EXECUTABLE "{call.program}": library "{lost}" not found: needed by main executable\n'
        )
        return 1
    try:
        if name == Tool.BENCHMARK_MODEL:
            return await (litert_benchmark(run) if version == "litert" else benchmark_model(run, version))
        if name == Tool.MACE_RUN:
            return await mace_run(run, version)
        if name == Tool.ORT_PERF_TEST:
            return await ort_perf_test(run, version)
        return await snpe(run, throughput=name == Tool.SNPE_THROUGHPUT)
    except Ended as ended:
        await run.show()
        return ended.status


def _needed(phone: "Workbench", name: str) -> list[str]:
    """Return the libraries without which the phone's linker does not start a tool."""
    return [phone.linker_needs[name]] if name in phone.linker_needs else []


def _loads(phone: "Workbench", call: Invocation, library: str) -> bool:
    folders = [*call.environment.get("LD_LIBRARY_PATH", "").split(":"), "/system/lib64", "/vendor/lib64"]
    return any((phone.host_path(folder) / library).exists() for folder in folders if folder)
