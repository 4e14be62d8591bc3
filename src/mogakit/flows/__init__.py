"""One file per job a user comes with; the only place where devices, tables and search meet."""
