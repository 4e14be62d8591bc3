"""The measuring tools on one phone: chosen by ABI, deployed with their libraries, asked for their `--help`."""

import hashlib
import re
from dataclasses import dataclass

from mogakit.android_runner import tools
from mogakit.android_runner.adb import Link
from mogakit.android_runner.deploy import ROOT, Wanted, deploy
from mogakit.android_runner.quoting import assignments, quote
from mogakit.android_runner.tools import Probe, Tool, ToolMissing
from mogakit.errors import DeviceError

_MAX_HELP_BYTES = 200_000
_LIBRARY_FOLDERS = "/system/lib64 /system/lib /vendor/lib64 /vendor/lib /odm/lib64 /odm/lib"
_NOT_STARTED = re.compile(
    r"not executable|No such file|Permission denied|inaccessible or not found|CANNOT LINK EXECUTABLE"
)
_NO_LIBRARY = re.compile(r'library "([^"]+)" not found')


@dataclass(frozen=True)
class Brought:
    """A tool on the phone, and the libraries that lie in the folder where it looks for them."""

    tool: Tool
    probe: Probe
    libraries: tuple[Tool, ...]

    @property
    def libs(self) -> str:
        """Return that folder."""
        return libraries_folder(self.libraries)

    @property
    def provenance(self) -> dict[str, str]:
        """Return the libraries by name, each with its hash: they compute as much as the tool does."""
        return {f"library {item.name}": item.sha256[:12] for item in self.libraries}


class Toolbox:
    """The tools of one phone; each is deployed once."""

    def __init__(self, link: Link, abis: tuple[str, ...], reconnect_s: float) -> None:
        self._link = link
        self._abis = abis
        self._reconnect_s = reconnect_s
        self._tools: dict[str, Brought] = {}

    def get(self, kind: str) -> Brought:
        """Bring a tool of this kind to the phone, with its libraries, and ask it what it is.

        Raises:
            ToolMissing: none is registered that is of this kind and runs on the phone, or a library that it is linked
                against is not.
            DeviceError: it does not start there.
        """
        if kind not in self._tools:
            for tool in tools.candidates(kind, self._abis):
                self._check_linked(tool)
                libraries = tuple(tools.libraries(tool.abi))
                self._bring(tool, libraries)
                probe = tools.remembered_probe(tool.sha256) or self._ask(tool, libraries)
                if probe.kind == kind:
                    self._tools[kind] = Brought(tool, probe, libraries)
                    break
            else:
                raise ToolMissing(
                    f"the registered benchmark_model is not {kind} but the other tool of that name; register it too. "
                    f"Its makers publish it: {tools.maker_of(kind)}"
                )
        return self._tools[kind]

    def _check_linked(self, tool: Tool) -> None:
        """Ask by name for the libraries that a tool cannot start without, before it is run for the first time."""
        wanted = tools.unlinked(tool)
        if not wanted:
            return
        names = " ".join(map(quote, wanted))
        script = f'for n in {names}; do for d in {_LIBRARY_FOLDERS}; do [ ! -e "$d/$n" ] || echo "$n"; done; done; true'
        answer = self._link.retry_on_disconnect(self._reconnect_s, lambda: self._link.shell(script))
        missing = [name for name in wanted if name not in answer.stdout.split()]
        if missing:
            raise ToolMissing(
                f"{tool.name} ({tool.abi}) needs {', '.join(missing)}, which {self._link.serial} does not have; "
                f"moga tools add PATH for each: they lie where {tool.name} was built, libc++_shared.so in the NDK"
            )

    def _bring(self, tool: Tool, libraries: tuple[Tool, ...]) -> None:
        """Deploy a tool, and all libraries for its ABI into one folder that holds these and nothing else.

        That folder is named by what lies in it, so what another computer left beside the same tool is never loaded; it
        is empty where no library is registered.
        """
        wanted = [
            Wanted(source=tool.path, sha256=tool.sha256, num_bytes=tool.num_bytes, name=tool.name, executable=True)
        ]
        wanted += [
            Wanted(source=item.path, sha256=item.sha256, num_bytes=item.num_bytes, name=item.name) for item in libraries
        ]
        self._link.retry_on_disconnect(self._reconnect_s, lambda: deploy(self._link, wanted))
        folder = quote(libraries_folder(libraries))
        links = "".join(f"; ln -sf {quote(item.remote)} {folder}/" for item in wanted[1:])
        script = f"rm -rf {folder}; mkdir -p {folder}{links}"
        self._link.retry_on_disconnect(self._reconnect_s, lambda: self._link.shell(script))

    def _ask(self, tool: Tool, libraries: tuple[Tool, ...]) -> Probe:
        """Ask a tool for its help, as it is run: which of two tools of one name it is, and which flags it knows.

        An answer without flags is not kept: the next session asks again.
        """
        environment = assignments({"LD_LIBRARY_PATH": libraries_folder(libraries)})
        command = f"{environment} {quote(tool_path(tool))} --help 2>&1 </dev/null | "
        command += self._link.userland.bounded(_MAX_HELP_BYTES)
        said = self._link.retry_on_disconnect(self._reconnect_s, lambda: self._link.shell(command)).stdout
        if _NOT_STARTED.search(said):
            library = _NO_LIBRARY.search(said)
            advice = (
                f"register {library.group(1)} too: moga tools add PATH"
                if library
                else f"register an Android build: {tools.maker_of(tool.kind)}"
            )
            raise DeviceError(
                f"{tool.name} ({tool.abi}) does not start on {self._link.serial}: {said.strip()[:200]}; {advice}"
            )
        probe = tools.read_help(tool.kind, said)
        if probe.flags:
            tools.remember_probe(tool.sha256, probe)
        return probe


def libraries_folder(libraries: tuple[Tool, ...]) -> str:
    """Return the folder on a phone in which a tool finds these libraries, and nothing else."""
    held = "".join(sorted(f"{item.sha256} {item.name}\n" for item in libraries))
    return f"{ROOT}/files/{hashlib.sha256(held.encode()).hexdigest()}"


def tool_path(tool: Tool) -> str:
    """Return where a tool lies on a phone."""
    return Wanted(source=tool.path, sha256=tool.sha256, num_bytes=tool.num_bytes, name=tool.name).remote
