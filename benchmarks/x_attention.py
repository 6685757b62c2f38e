import os, sys, time
from functools import partial
import numpy as np
from rumus import gpu
from rumus._backends.gpu import attention, attention_source, get_gpu_backend
from rumus._backends.gpu.attention_tiles import Blocking as Edge, Tile
from tune_attention import Problem, captured, report, PRODUCTS

smoke = "--smoke" in sys.argv
problem = Problem((1, 2, 40, 32) if smoke else (8, 12, 1024, 64))
began = time.time()
M = 1 << 28


def go(env, tile, names=("blocks", "backward"), most=M):
    if time.time() - began > 60:
        return
    for name in names:
        report(
            problem,
            name,
            partial(getattr(problem, name), tile, most),
            (tile.edge, tuple(tile.maker), tuple(tile.multiplier), most >> 20),
        )


def T(ty, r, c, b, step=16, s=16):
    return Tile(ty, r, c, s, step, b)


be = get_gpu_backend(0)
B = ("backward",)
J = ("blocks",)
for step in (16, 8, 4):
    for b in (2, 1):
        go({}, Edge(64, T(8, 2, 2, b, step), T(8, 2, 2, 3 - b, step)), B)
for step in (16, 8, 4):
    go({}, Edge(128, T(16, 2, 4, 1, step), T(16, 2, 2, 1, step)), J)
go({}, Edge(128, T(16, 2, 4, 1), T(16, 2, 2, 2)), J)
go({}, Edge(128, T(16, 2, 4, 1), T(16, 2, 2, 1)), J, 1 << 27)
go({}, Edge(64, T(8, 2, 2, 2, 8), T(8, 2, 2, 2, 8)), J)
go({}, Edge(64, T(8, 2, 2, 2, 8, 8), T(8, 2, 2, 1, 8, 8)), B)
go({}, Edge(64, T(16, 1, 2, 1, 8), T(16, 1, 2, 1, 8)), B)
go({}, Edge(64, T(16, 1, 2, 1, 16), T(16, 1, 2, 1, 16)), B)
