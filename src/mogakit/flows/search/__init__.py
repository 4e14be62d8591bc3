"""Everything that finds networks: searches, controllers, comparisons."""
