import os, sys, time
from functools import partial
import numpy as np
from rumus import gpu
from rumus._backends.gpu import attention, attention_source, get_gpu_backend
from rumus._backends.gpu.attention_tiles import Edge, Tile
from tune_attention import Problem, captured, report, PRODUCTS
smoke = "--smoke" in sys.argv
problem = Problem((1, 2, 40, 32) if smoke else (8, 12, 1024, 64))
began = time.time()
M = 1 << 28
def go(env, tile, names=("joined", "backward"), most=M):
    if time.time() - began > 60: return
    for k in ("X_STRIP", "X_INLINE", "X_PAD"): os.environ.pop(k, None)
    os.environ.update(env)
    attention_source._kernel.cache_clear(); attention_source.attention_pipeline.cache_clear()
    for name in names:
        report(problem, name, partial(getattr(problem, name), tile, most), (env, tile.edge, tuple(tile.maker)[:3] + tuple(tile.maker)[5:], tuple(tile.multiplier)[:3] + tuple(tile.multiplier)[5:], most >> 20))
def T(ty, r, c, b): return Tile(ty, r, c, 16, 16, b)
A = Edge(64, T(8, 2, 2, 2), T(8, 2, 2, 1))
B = Edge(64, T(8, 2, 2, 1), T(8, 2, 2, 2))
C = Edge(128, T(8, 2, 4, 1), T(8, 4, 2, 1))
D = Edge(128, T(8, 2, 4, 2), T(8, 4, 2, 2))
E = Edge(128, T(16, 2, 4, 1), T(16, 2, 2, 1))
F = Edge(128, T(16, 2, 4, 2), T(16, 2, 2, 2))
be = get_gpu_backend(0)
if not smoke:
    a = gpu.persist(gpu.empty((96, 1024, 64))); b = gpu.persist(gpu.empty((96, 1024, 64))); w = gpu.persist(gpu.empty((96, 1024, 1024)))
    bt = be.permute(b, (0, 2, 1)); wt = be.permute(w, (0, 2, 1))
    for what, call in (("QKt", lambda: be.matmul(a, bt)), ("PV", lambda: be.matmul(w, b)), ("PtG", lambda: be.matmul(wt, b))):
        s = captured(call); print(what, f"{s*1e6:.1f} us {12.885e9/s*1e-12:.1f} TFLOP/s", flush=True)
I = {"X_INLINE": "1"}
for env, tile in (({}, A), ({}, B), (I, A), (I, B), (I, C), (I, D), (I, E), (I, F), ({}, C)):
    go(env, tile)
for n in "24":
    for tile in (A, C):
        go({"X_STRIP": n, **I}, tile)
for pad in (16384, 28000):
    go({"X_PAD": str(pad), **I}, A)
go({**I}, A, most=1 << 27)
go({**I}, C, most=1 << 27)
