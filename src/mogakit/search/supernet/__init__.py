"""One set of weights for all networks of a space: trained with strict fairness, evaluated path by path."""
