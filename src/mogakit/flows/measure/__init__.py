"""Everything that measures: one file, a space, a fleet of phones; and the validation and fits of what was measured."""
