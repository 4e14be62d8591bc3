"""Write a CycloneDX bill of materials of a release: the kit, what it depends on, and the versions that were tested.

    python tests/packaging/sbom.py dist/moga-kit.cdx.json

It runs where the kit is installed, and holds the packages that an installation with every extra for users has, each
with its version, licence and what it needs. The same environment gives the same bytes. What is written is valid under
the schema, and complete, or nothing is written.
"""

import sys
import tomllib
from importlib import metadata
from pathlib import Path

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
EXTRAS = ("cluster", "pandas", "train")
SCHEMA = SchemaVersion.V1_6


def needs(name: str, extras: tuple[str, ...] = ()) -> list[str]:
    """Return what an installed package requires here, by canonical name, with those of its extras."""
    found = []
    for line in metadata.requires(name) or []:
        asked = Requirement(line)
        marker = asked.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            found.append(canonicalize_name(asked.name))
    return sorted(set(found))


def closure(root: str) -> dict[str, list[str]]:
    """Return every package that `root` leads to, with what each needs."""
    found: dict[str, list[str]] = {}
    waiting = [root]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = [each for each in needs(name, EXTRAS if name == root else ()) if _installed(each)]
            waiting += found[name]
    return found


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def component(name: str, kind: ComponentType) -> Component:
    known = metadata.metadata(name)
    version = metadata.version(name)
    licence = known.get("License-Expression") or known.get("License") or ""
    licence = licence.splitlines()[0][:100] if licence.strip() else ""
    return Component(
        name=name,
        version=version,
        type=kind,
        purl=PackageURL("pypi", None, name, version),
        bom_ref=f"{name}=={version}",
        licenses=[DisjunctiveLicense(name=licence)] if licence else None,
        description=known.get("Summary"),
    )


def check(text: str) -> None:
    """Hold a document against the schema and against what the project declares.

    Raises:
        SystemExit: it is not valid, or a dependency is missing or in another version than the tests ran with.
    """
    problem = JsonStrictValidator(SCHEMA).validate_str(text)
    if problem is not None:
        raise SystemExit(f"not valid under CycloneDX {SCHEMA.to_version()}: {problem}")
    import json

    listed = {each["name"]: each["version"] for each in json.loads(text)["components"]}
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    pinned = {canonicalize_name(name): version for name, version in pins.items()}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    missing = {canonicalize_name(Requirement(line).name) for line in project["dependencies"]} - listed.keys()
    other = [
        f"{name} {version}" for name, version in listed.items() if version.split("+")[0] != pinned.get(name, version)
    ]
    if missing or other:
        raise SystemExit(f"missing: {sorted(missing)}; in another version than in constraints.txt: {other}")


def main() -> None:
    path = Path(sys.argv[1])
    packages = closure("moga-kit")
    made = {name: component(name, ComponentType.LIBRARY) for name in sorted(packages)}
    root = component("moga-kit", ComponentType.APPLICATION)
    bom = Bom(components=[made[name] for name in made if name != "moga-kit"])
    bom.metadata.component = root
    for name, wanted in packages.items():
        bom.register_dependency(root if name == "moga-kit" else made[name], [made[each] for each in wanted])
    bom.metadata.timestamp = None  # the same environment gives the same bytes
    bom.serial_number = None
    text = make_outputter(bom, OutputFormat.JSON, SCHEMA).output_as_string(indent=1)
    check(text)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")
    print(f"{path}: {len(made) - 1} packages")


if __name__ == "__main__":
    main()
