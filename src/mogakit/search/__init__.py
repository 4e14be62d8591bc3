"""Objectives, weighted NSGA-II, the exact front, multi-hardware metrics, rewards."""
