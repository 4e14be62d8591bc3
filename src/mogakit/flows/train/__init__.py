"""Everything that trains: classifiers, detectors, supernets."""
