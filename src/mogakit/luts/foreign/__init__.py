"""Tables and models of others. What their files do not say stays unknown; their keys stay their own."""
