"""Architectures as tables: blocks, networks, search spaces, the zoo, and the torch modules built from them."""
