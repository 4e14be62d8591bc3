"""The bundle: a folder that an app author can load, read and check."""
