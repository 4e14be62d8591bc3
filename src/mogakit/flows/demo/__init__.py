"""Demonstrations: every step of the kit in a row, in minutes; one that was stopped goes on where it was."""
