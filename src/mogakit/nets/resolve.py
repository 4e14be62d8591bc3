"""From what a person types to a network."""

import re
from pathlib import Path

from mogakit.errors import InputError, KeySyntaxError, closest, unknown_name
from mogakit.nets import zoo
from mogakit.nets.limits import check_sizes
from mogakit.nets.network import Network
from mogakit.nets.network_file import NETWORK_SUFFIX, as_asked, load_network, read_network_file
from mogakit.nets.spaces import get_space, parse_chromosome, space_names
from mogakit.plugins import Group, called_with, find

_VARIANT = re.compile(
    r"(?P<name>[^@]+)"
    r"(?P<rest>(?:@(?P<width>\d{1,9}(?:\.\d{1,9})?)x)?(?:@(?P<size>\d{1,9})px)?(?:@(?P<classes>\d{1,9})c)?)",
    re.ASCII,
)


def resolve(text: str, width: float = 1.0, input_size: int | None = None, num_classes: int | None = None) -> Network:
    """Return the network that `text` names.

    Args:
        text: a name of the zoo (`moga-a`), `space/chromosome` (`moga/8-10-6-...`), a network file (`mine.json`,
            `mine.json@0.75x` where it has a table), or a
            network of a user's own: `package.module:name` (a `Network`, or a function that makes one) or a name among
            the entry points `mogakit.networks`. A zoo network's own name parses back: `mobilenet-v2@1.25x@192px@100c`
            says what the other arguments would.
        width: width multiplier. input_size: in pixels. num_classes: length of the output.

    Raises:
        InputError: nothing is called so, or it cannot be had at that width, size or number of classes.
    """
    if text.endswith(NETWORK_SUFFIX):
        return load_network(Path(text), width, input_size, num_classes)
    check_sizes(width, input_size, num_classes)
    space, slash, chromosome = text.partition("/")
    variant = _VARIANT.fullmatch(text)
    if slash and variant is not None and not variant["name"].endswith(NETWORK_SUFFIX):
        variant = None
    if variant is not None and variant["rest"]:
        given_size, given_classes = variant["size"], variant["classes"]
        return resolve(
            variant["name"],
            float(variant["width"] or width),
            int(given_size) if given_size else input_size,
            int(given_classes) if given_classes else num_classes,
        )
    if slash:
        if width != 1:
            raise InputError(f"a width multiplier needs a network of the zoo; {text!r} is a chromosome")
        found = get_space(space, input_size, num_classes)
        return found.decode(parse_chromosome(chromosome))
    if text.startswith("ssdlite-"):
        raise InputError(f"{text!r} is a detector, and a classifier is asked for; `moga detect show {text}` counts it")
    if text not in zoo.names():
        own = find(Group.NETWORKS, text)
        if own is not None:
            return _own_network(own, text, width, input_size, num_classes)
        raise InputError(_unknown(text))
    return zoo.get(text, width, input_size, 1000 if num_classes is None else num_classes).network


def published_of(text: str) -> tuple[zoo.Published | None, str]:
    """Return what was published of a network at width 1 and where its layers were read, from the zoo or its file.

    Raises:
        InputError: it is a network file that cannot be read.
    """
    if text.endswith(NETWORK_SUFFIX):
        record = read_network_file(Path(text))
        return record.published, record.source
    if text in zoo.names():
        entry = zoo.get(text)
        return entry.published, entry.source
    return None, ""


def _unknown(text: str) -> str:
    """Return what an unknown name may have meant: one of the zoo, misspelled, or a chromosome without its space.

    A name with an @ that did not parse is one whose scales are wrong.
    """
    if "@" in text:
        return f"{text!r} does not parse; a network is scaled as NET@0.75x@192px@100c (width, pixels, classes)"
    try:
        chromosome = parse_chromosome(text)
    except KeySyntaxError:
        if closest(text, zoo.names()):
            return unknown_name("network", text, zoo.names())
        return (
            f"unknown network {text!r}; `moga zoo` lists them (moga-a, ...), one of a search space is written "
            f"SPACE/CHROMOSOME, a network file mine{NETWORK_SUFFIX}, and one of yours package.module:name"
        )
    fitting = [name for name in space_names() if _takes(name, chromosome)]
    hint = f"did you mean {', '.join(f'{name}/{text}' for name in fitting)}?" if fitting else "no space takes it"
    return f"{text!r} is a chromosome without its search space; {hint}"


def _takes(space: str, chromosome: tuple[int, ...]) -> bool:
    try:
        get_space(space).decode(chromosome)
    except InputError:
        return False
    return True


def _own_network(own: object, text: str, width: float, input_size: int | None, num_classes: int | None) -> Network:
    """Return the network that a user's object is, or makes."""
    if callable(own):
        given = {"width": None if width == 1 else width, "input_size": input_size, "num_classes": num_classes}
        own = called_with(own, given, text)
        width = 1.0
    if not isinstance(own, Network):
        raise InputError(
            f"{text} is a {type(own).__name__}; a network is a mogakit.Network or a function that makes one"
        )
    return as_asked(own, text, width, input_size, num_classes)
