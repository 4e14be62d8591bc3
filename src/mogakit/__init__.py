"""MoGA Kit: latency tables for your own device, and what follows from them.

A network described as data becomes files (`export`), files become measurements (`bench`, `android_runner`),
measurements become a latency table (`luts`), the table drives the search (`search`), and the found network ships.
"""

__version__ = "0.1.0"
