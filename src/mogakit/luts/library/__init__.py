"""A small library of latency tables and cost models that ship with the kit, each with its licence and provenance."""
