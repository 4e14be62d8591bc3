"""Phones over adb: discovery, state, deployment, and one module per on-device tool."""
