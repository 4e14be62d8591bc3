"""What `import mogakit` offers: the flows of the command line as functions, which take what a person types.

A path is a `str` or a `Path`; a run is its folder, its `lut.json`, or a `Run`; a network is a name, a chromosome, a
network file or a `Network`; a target is text. The names that are a promise stand in `mogakit.__all__`.
"""
