"""MACE model files (`.pb` and `.data`): a writer, and a reader and interpreter that share no code with it.

MACE (github.com/XiaoMi/mace) has two container generations. Up to v1.0.4 the `.pb` is one `NetDef` and mace_run
chooses the runtime; from v1.1.1 it is a `MultiNetDef` whose nets name their runtime. The kit writes both, each for
CPU and GPU: four small `.pb` beside one `.data`.
"""
