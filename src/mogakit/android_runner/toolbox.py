"""The measuring tools on one phone: chosen by ABI, deployed with their libraries, asked for their `--help`."""

from mogakit.android_runner import tools
from mogakit.android_runner.adb import Link
from mogakit.android_runner.deploy import Wanted, deploy
from mogakit.android_runner.quoting import quote
from mogakit.android_runner.tools import Probe, Tool, ToolMissing
from mogakit.errors import DeviceError


class Toolbox:
    """The tools of one phone; each is deployed once."""

    def __init__(self, link: Link, abis: tuple[str, ...], reconnect_s: float) -> None:
        self._link = link
        self._abis = abis
        self._reconnect_s = reconnect_s
        self._tools: dict[str, tuple[Tool, Probe]] = {}

    def get(self, kind: str) -> tuple[Tool, Probe]:
        """Bring a tool of this kind to the phone, with its libraries, and ask it what it is.

        Raises:
            ToolMissing: none is registered that is of this kind and runs on the phone.
            DeviceError: it does not start there.
        """
        if kind not in self._tools:
            for tool in tools.candidates(kind, self._abis):
                self._bring(tool)
                probe = tools.remembered_probe(tool.sha256) or self._ask(tool)
                if probe.kind == kind:
                    self._tools[kind] = (tool, probe)
                    break
            else:
                raise ToolMissing(
                    f"the registered benchmark_model is not {kind} but the other tool of that name; register it too. "
                    f"Its makers publish it: {tools.maker_of(kind)}"
                )
        return self._tools[kind]

    def _bring(self, tool: Tool) -> None:
        """Deploy a tool and all libraries for its ABI into one folder, named by the tool's hash."""
        beside = tools.libraries(tool.abi)
        wanted = [
            Wanted(source=tool.path, sha256=tool.sha256, num_bytes=tool.num_bytes, name=tool.name, executable=True)
        ]
        wanted += [
            Wanted(source=item.path, sha256=item.sha256, num_bytes=item.num_bytes, name=item.name) for item in beside
        ]
        self._link.retry_on_disconnect(self._reconnect_s, lambda: deploy(self._link, wanted))
        folder = quote(tool_path(tool).rpartition("/")[0])
        links = "; ".join(f"ln -sf {quote(item.remote)} {folder}/" for item in wanted[1:])
        if links:
            self._link.retry_on_disconnect(self._reconnect_s, lambda: self._link.shell(links))

    def _ask(self, tool: Tool) -> Probe:
        """Ask a tool for its help: it tells the two tools of one name apart, and which flags this build knows."""
        path = quote(tool_path(tool))
        answer = self._link.retry_on_disconnect(
            self._reconnect_s, lambda: self._link.shell(f"{path} --help 2>&1 </dev/null | head -c 200000")
        )
        probe = tools.read_help(tool.kind, answer.stdout)
        if "not executable" in answer.stdout or "No such file" in answer.stdout or "Permission denied" in answer.stdout:
            raise DeviceError(
                f"{tool.name} ({tool.abi}) does not start on {self._link.serial}: {answer.stdout.strip()[:200]}; "
                f"register an Android build: {tools.maker_of(tool.kind)}"
            )
        tools.remember_probe(tool.sha256, probe)
        return probe


def tool_path(tool: Tool) -> str:
    """Return where a tool lies on a phone."""
    return Wanted(source=tool.path, sha256=tool.sha256, num_bytes=tool.num_bytes, name=tool.name).remote
