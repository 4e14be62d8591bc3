"""How TuNAS writes a network down, for tests of the latency model that it published."""

from collections.abc import Sequence

from mogakit.errors import InputError
from mogakit.luts.foreign.tunas import SPACE
from mogakit.luts.linear import in_style_of
from mogakit.nets.network import Network
from mogakit.nets.spaces import Chromosome, get_space

NUM_ONEOFS = 73
NUM_KERNELS, NUM_EXPANSIONS = 3, 2
NUM_STAGES, NUM_LAYERS = 5, 4


def chromosome_from_oneofs(indices: Sequence[int]) -> Chromosome:
    """Turn TuNAS's own description of a network into a chromosome of `tunas-proxyless`.

    It lists 73 decisions, children before parents: for each bottleneck its kernel, its expansion and whether it is left
    out; after each block of layers the (only) choice of filters.

    Raises:
        InputError: another number of indices.
    """
    if len(indices) != NUM_ONEOFS:
        raise InputError(f"a network of {SPACE} has {NUM_ONEOFS} decisions in TuNAS's order, given {len(indices)}")
    given = iter(indices)
    next(given)  # filters of the stem
    genes = [next(given)]  # kernel of the separable convolution
    next(given)  # its filters
    for stage in range(NUM_STAGES + 1):
        for _ in range(NUM_LAYERS if stage < NUM_STAGES else 1):
            kernel, expansion, left_out = next(given), next(given), next(given)
            genes.append(NUM_KERNELS * NUM_EXPANSIONS if left_out else NUM_KERNELS * expansion + kernel)
        next(given)  # filters of the stage
    return tuple(genes)


def chromosome_of(network: Network) -> Chromosome:
    """Return the chromosome of a network whose activation or batch-norm epsilon differs from the space's.

    Raises:
        InputError: the network does not lie in the space.
    """
    space = get_space(SPACE, network.input_size, network.num_classes)
    return space.encode(in_style_of(space, network))
