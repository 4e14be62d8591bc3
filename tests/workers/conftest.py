"""A cluster for the tests of this folder; without the extra they are skipped with that reason."""

from dask_processes import dask_processes

__all__ = ["dask_processes"]
