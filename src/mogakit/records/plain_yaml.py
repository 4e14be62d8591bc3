"""YAML of plain values: no duplicate keys, no anchors, limited depth, nothing constructed."""

from collections.abc import Hashable
from typing import Any

import yaml

from mogakit.errors import InputError


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, stricter; `max_depth` is set by `parse`."""

    max_depth = 0
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(None, None, "anchors and aliases are not supported", event.start_mark)
        self.depth += 1
        if self.depth > self.max_depth + 1:
            raise yaml.MarkedYAMLError(None, None, f"nested deeper than {self.max_depth} levels", None)
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    raise yaml.MarkedYAMLError(None, None, f"the key {key.value[:60]!r} appears twice", key.start_mark)
                seen.add((key.tag, key.value))
        return super().construct_mapping(node, deep)


def parse(text: str, where: str, expected: str, max_depth: int) -> Any:
    """Parse one YAML document; `where` names its source for messages.

    Raises:
        InputError: it is not YAML, or not of plain values.
    """
    loader = None
    try:
        loader = _Loader(text)  # reads already: control characters are found here
        loader.max_depth = max_depth
        return loader.get_single_data()
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        raise InputError(f"{where} is not YAML of plain values: {error}; expected: {expected}") from error
    finally:
        if loader is not None:
            loader.dispose()
