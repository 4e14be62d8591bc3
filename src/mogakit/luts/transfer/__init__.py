"""A table of a new device from tables of others and few measurements: the model, the design, the table, the curves."""
