import os, sys, time
from functools import partial
import numpy as np
from rumus import gpu
from rumus._backends.gpu import attention, attention_source, get_gpu_backend
from rumus._backends.gpu.attention_tiles import Tile
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
        report(problem, name, partial(getattr(problem, name), tile, most), (env, *tile, most >> 20))
one, two = Tile(8, 2, 2, 16, 16, 1), Tile(8, 2, 2, 16, 16, 2)
be = get_gpu_backend(0)
if not smoke:
    a = gpu.persist(gpu.empty((96, 1024, 64))); b = gpu.persist(gpu.empty((96, 1024, 64))); w = gpu.persist(gpu.empty((96, 1024, 1024)))
    bt = be.permute(b, (0, 2, 1)); wt = be.permute(w, (0, 2, 1))
    for what, call in (("QKt", lambda: be.matmul(a, bt)), ("PV", lambda: be.matmul(w, b)), ("PtG", lambda: be.matmul(wt, b))):
        s = captured(call); print(what, f"{s*1e6:.1f} us {12.885e9/s*1e-12:.1f} TFLOP/s", flush=True)
for env in ({}, {"X_INLINE": "1"}, {"X_STRIP": "2"}, {"X_STRIP": "4"}, {"X_STRIP": "2", "X_INLINE": "1"}):
    for tile in (one, two):
        go(env, tile)
for pad in (16384, 28000):
    go({"X_PAD": str(pad)}, one)
go({"X_STRIP": "16", "X_INLINE": "1"}, one)
go({"X_INLINE": "1"}, Tile(16, 1, 2, 16, 16, 1))
go({"X_INLINE": "1"}, Tile(8, 2, 2, 8, 8, 2))
go({"X_INLINE": "1"}, one, most=1 << 27)
