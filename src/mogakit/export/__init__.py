"""From a torch module to files: one typed graph, one writer per format, each file checked against torch."""
