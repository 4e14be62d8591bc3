"""Model files of any maker, read without a runtime: every offset is checked before it is followed."""
