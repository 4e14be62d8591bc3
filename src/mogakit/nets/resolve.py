"""From what a person types to a network."""

import re

from mogakit.errors import InputError
from mogakit.nets import zoo
from mogakit.nets.network import Network
from mogakit.nets.spaces import get_space, parse_chromosome, space_names

_VARIANT = re.compile(
    r"(?P<name>[^@]+)(?P<rest>(?:@(?P<width>\d+(?:\.\d+)?)x)?(?:@(?P<size>\d+)px)?(?:@(?P<classes>\d+)c)?)", re.ASCII
)


def resolve(text: str, width: float = 1.0, input_size: int | None = None, num_classes: int | None = None) -> Network:
    """Return the network that `text` names: a name of the zoo (`moga-a`) or `space/chromosome` (`moga/8-10-6-...`).

    A zoo network's own name parses back: `mobilenet-v2@1.25x@192px@100c` says what the arguments would.

    Raises:
        InputError: nothing is called so, or a width is asked of a chromosome (spaces have one width).
    """
    space, slash, chromosome = text.partition("/")
    variant = None if slash else _VARIANT.fullmatch(text)
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
        raise InputError(
            f"no network is called {text!r}; known are {', '.join(zoo.names())}, and chromosomes of a space "
            f"({', '.join(space_names())}) as moga/8-10-6-7-1-7-6-10-5-10-6-6-9-9"
        )
    return zoo.get(text, width, input_size, 1000 if num_classes is None else num_classes).network
