"""Model files: one typed graph, one writer per format, each file verified against torch."""

EXPORT_VERSION = "2"
"""Version of the writers: raised whenever the same network would become different bytes."""
