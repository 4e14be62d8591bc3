"""Figures and pages drawn from finished results."""
