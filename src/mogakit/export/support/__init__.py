"""Who can run a network: what the makers of runtimes and accelerators say of each operator, and what follows from it.

Tables (`tables`) hold one entry an operator, each with the source it was read from; what no source says is unknown.
"""
