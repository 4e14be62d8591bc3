"""Figures: each function takes finished results and returns a matplotlib figure; none computes an error."""
