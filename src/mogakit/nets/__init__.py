"""Networks as data: blocks and their keys, search spaces, the zoo, and the torch modules built from them."""
