"""What a phone's own commands can do, asked once when it is opened: old Androids lack some of what newer ones have.

Android 7.0 has no `sha256sum`, 8.0's `head` has no `-c`. What is missing is done in another way where
there is one; else an error names it.
"""

from dataclasses import dataclass

from mogakit.android_runner.quoting import quote
from mogakit.errors import DeviceError

_ANSWER = "moga-userland:"
_DIGESTS = {
    "sha256": "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881",
    "sha1": "11f6ad8ec52a2984abaafd7c3b516503785c2072",
    "md5": "9dd4e461268c8034f5c8564e155c67a6",
}
"""Of the letter x: a command that is there and prints something else is of no use."""
_HASHES = "; ".join(
    f'case "$(printf x | {name}sum 2>/dev/null)" in {digest}*) echo {_ANSWER}{name};; esac'
    for name, digest in _DIGESTS.items()
)
_CHECKS = {
    "head": '[ "$(printf abc | head -c 2)" = ab ]',
    "dd": '[ "$(printf abc | dd bs=1 count=2)" = ab ]',
    "stat": '[ "$(stat -c %s /dev/null)" = 0 ]',
    "wc": '[ "$(printf abc | wc -c | tr -d " ")" = 3 ]',
    "taskset": "command -v taskset >/dev/null",
    "env": '[ "$(env MOGA=1 sh -c "echo \\$MOGA")" = 1 ]',
    "nohup": '[ "$(nohup echo 1 </dev/null)" = 1 ]',  # mksh names an alias of it also where there is no such command
    "setsid": '[ "$(setsid echo 1)" = 1 ]',
    "base64": '[ "$(printf abc | base64)" = YWJj ]',
}
SCRIPT = f"{{ {_HASHES}; }} 2>/dev/null; " + "; ".join(
    f"{{ {test}; }} 2>/dev/null && echo {_ANSWER}{name}" for name, test in _CHECKS.items()
)
"""What is asked of a phone; `read` reads its answer."""


@dataclass(frozen=True)
class Userland:
    """A phone's commands.

    Attributes:
        digest: the strongest hash that it computes, by `hashlib`'s name.
        has: of `head` (with `-c`), `dd`, `stat` (with `-c`), `wc`, `taskset`, `env`, `nohup`, `setsid`,
            `base64`.
    """

    digest: str
    has: frozenset[str]

    def bounded(self, num_bytes: int) -> str:
        """Return the command that passes on at most so many bytes of a pipe."""
        if "head" in self.has:
            return f"head -c {num_bytes}"
        return f"dd bs=1 count={num_bytes} 2>/dev/null"  # larger blocks would count short reads as whole ones

    def zeros(self, num_bytes: int, path: str) -> str:
        """Return the command that writes a file of zeros; `path` is quoted."""
        if "head" in self.has:
            return f"head -c {num_bytes} /dev/zero >{path}"
        return f"dd if=/dev/zero of={path} bs={max(1, num_bytes)} count={int(num_bytes > 0)} 2>/dev/null"

    def size(self, path: str) -> str:
        """Return the command that prints a file's size in bytes; `path` is quoted."""
        return f"stat -c %s {path}" if "stat" in self.has else f"wc -c <{path} | tr -d ' '"

    def detached(self, script: str) -> str:
        """Return the command that runs a quoted script which the end of its shell does not end."""
        if "nohup" in self.has:
            return f"nohup sh -c {script}"
        if "setsid" in self.has:
            return f"setsid sh -c {script}"
        return f"( trap '' HUP; exec sh -c {script} )"

    def with_environment(self, assigned: str, command: str) -> str:
        """Return a command line whose program is given variables (`quoting.assignments`) and keeps its process."""
        return f"env {assigned} {command}" if "env" in self.has else f"sh -c {quote(f'{assigned} exec {command}')}"


MODERN = Userland("sha256", frozenset(_CHECKS))
"""Android 9 and newer."""


def read(answer: str, serial: str) -> Userland:
    """Read what a phone printed for `SCRIPT`.

    Raises:
        DeviceError: it lacks something for which there is no other way.
    """
    said = {line.removeprefix(_ANSWER).strip() for line in answer.splitlines() if line.startswith(_ANSWER)}
    digest = next((name for name in _DIGESTS if name in said), None)
    missing = []
    if digest is None:
        missing.append("none of " + ", ".join(f"{name}sum" for name in _DIGESTS) + " (files cannot be verified)")
    if not said & {"head", "dd"}:
        missing.append("neither head -c nor dd (output cannot be bounded)")
    if not said & {"stat", "wc"}:
        missing.append("neither stat -c nor wc (sizes cannot be read)")
    if digest is None or missing:
        raise DeviceError(f"{serial} lacks commands that the kit needs: {'; '.join(missing)}; use a newer Android")
    return Userland(digest, frozenset(said & set(_CHECKS)))
