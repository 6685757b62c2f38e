"""Every kernel variant that the primitives can ask for, to be compiled by a test."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product

from rumus._backends.table import KINDS
from rumus._core.dtypes import LATTICE
from rumus.gpu import Pipeline

from . import (
    attention_source,
    channel_norm_source,
    check,
    indexing,
    layer_norm,
    pooling,
    random,
    recurrent_source,
    reduce,
    reduce_arg,
    resample,
    rows,
    scan_source,
    segments,
    sort_source,
)
from .attention_source import Given, attention_pipeline
from .attention_tiles import Tile
from .convolution_source import Gathered, convolution_pipeline
from .convolution_source import Variant as ConvolutionVariant
from .elementwise import exponents_pipeline
from .elementwise_source import EXPRESSIONS, Input, Step, build_source
from .kernels import WORKGROUP, kernel
from .layout import Mode
from .matmul_source import Operand, Tail, Variant, parts_pipeline, product_pipeline
from .row_source import MOST_CACHED
from .tiles import TILES
from .wgsl import REGISTER

DTYPES = tuple(str(dtype) for dtype in LATTICE)
ACCUMULATOR = {d: "float32" if REGISTER[d] == "f32" else "int32" for d in DTYPES}


def every_variant() -> Iterator[tuple[str, Pipeline]]:
    """What each variant is, and its pipeline, not yet compiled.

    Numbers that only scale a variant (ranks, invocations a row) are sampled; everything that
    chooses between pieces of WGSL is there.
    """
    yield from _elementwise_rows()
    yield from _elementwise_modes()
    yield "transpose", kernel("transpose").variant()
    yield "check_exponents", exponents_pipeline()
    yield "check", check.check_pipeline()
    yield "mean_of_kept", kernel("mean_of_kept").variant()
    yield from _reductions()
    yield from _products()
    yield from _convolutions()
    yield from _pools()
    yield from _row_kernels()
    yield from _layer_norms()
    yield from _recurrent_layers()
    yield from _channel_norms()
    yield from _indexing()
    yield from _sorts()
    yield from _scans()
    yield "selected", kernel("selected").variant()
    for kind in ("uniform", "normal", "integer"):
        yield f"random {kind}", random.random_pipeline(kind)
    for dtype in ("float32", "float16"):
        drawn = [Input(dtype, Mode.VECTOR), Input("float32", Mode.DRAWN)]
        drawn += [Input("float32", Mode.PARAM)] * 2
        step = Step("dropout", (0, 1, 2, 3), dtype, dtype)
        yield f"dropout {dtype}", _elementwise(drawn, step, 1, Mode.VECTOR)
    yield from _attentions()


def arity(op: str) -> int:
    """The number of arguments of an elementwise row: the letters of its expression."""
    return len(set(re.findall(r"\b[abcde]\b", EXPRESSIONS[op])))


_COMPUTED = {"float": ("float32",), "number": ("float32", "int32"), "bits": ("int32",)}
"""The dtypes in which rows of a kind compute, where these are not all."""


def _elementwise_rows() -> Iterator[tuple[str, Pipeline]]:
    for op, kind in KINDS.items():
        for dtype in _COMPUTED.get(kind, ("float32", "int32", "bool")):
            count = arity(op)
            inputs = [Input(dtype, Mode.VECTOR)] * count
            answer = "bool" if kind in ("compare", "test", "logical") else dtype
            step = Step(op, tuple(range(count)), dtype, answer)
            yield f"elementwise {op} {dtype}", _elementwise(inputs, step, 1, Mode.VECTOR)


def _elementwise_modes() -> Iterator[tuple[str, Pipeline]]:
    for source, target in product(DTYPES, DTYPES):
        step = Step("cast", (0,), target, target)
        yield (
            f"cast {source} to {target}",
            _elementwise([Input(source, Mode.VECTOR)], step, 1, Mode.VECTOR),
        )
    for dtype, mode, rank in product(DTYPES, Mode, (1, 2, 5)):
        if mode in (Mode.GIVEN, Mode.DRAWN) or (
            mode is Mode.PARAM and dtype not in ("float32", "int32")
        ):
            continue
        step = Step("maximum", (0, 1), dtype, dtype)
        inputs = [Input(dtype, Mode.VECTOR), Input(dtype, mode)]
        yield f"load {dtype} {mode.value} {rank}", _elementwise(inputs, step, rank, Mode.VECTOR)
        whole_words = dtype in ("float32", "int32")
        if mode.vectors or (whole_words and mode in (Mode.STEP, Mode.STRIDED)):
            copy = Step("cast", (0,), dtype, dtype)
            yield (
                f"store {dtype} {mode.value} {rank}",
                _elementwise([Input(dtype, Mode.VECTOR)], copy, rank, mode),
            )


def _elementwise(inputs: list[Input], step: Step, rank: int, target: Mode) -> Pipeline:
    return kernel("elementwise").variant(prelude=build_source(inputs, [step], rank, target))


def _reductions() -> Iterator[tuple[str, Pipeline]]:
    for name, op, dtype, vectors in product(
        ("reduce_rows", "reduce_columns"), ("sum", "max", "min"), DTYPES, (False, True)
    ):
        yield f"{name} {op} {dtype} {vectors}", reduce.pipeline(name, op, dtype, vectors, False, 8)
    for lanes in (1, 64, WORKGROUP):
        yield f"rows {lanes}", reduce.pipeline("reduce_rows", "mean", "float32", True, True, lanes)
    for width in (1, 32):
        yield (
            f"columns {width}",
            reduce.pipeline("reduce_columns", "mean", "float16", True, True, width),
        )
    for op, dtype, chooses in product(("argmax", "argmin"), DTYPES, (False, True)):
        yield f"{op} {dtype} {chooses}", reduce_arg.arg_pipeline(op, dtype, 64, chooses)


def _products() -> Iterator[tuple[str, Pipeline]]:
    f32 = "float32", "float32"
    for tile, a_along_k, b_along_k in product(TILES, (False, True), (False, True)):
        a, b = (Operand(along, 0, 0, not along) for along in (a_along_k, b_along_k))
        alone = Variant(tile, f32, None, a, b, True, (False, False))
        yield f"matmul {tile} {a_along_k} {b_along_k}", product_pipeline(alone)
        if tile.a_chunks == 1:
            for summing in (alone, alone._replace(c_vectors=False)):
                pipeline = product_pipeline(summing._replace(row_sums=True))
                what = f"matmul and sums {tile} {a_along_k} {b_along_k} {summing.c_vectors}"
                yield what, pipeline
    for dtype, (vectors, along_k, edge), bias in product(
        DTYPES,
        ((True, False, False), (False, False, False), (False, True, False), (False, True, True)),
        (False, True),
    ):
        dtypes, added, side = (
            (dtype, dtype),
            dtype if bias else None,
            Operand(along_k, 0, 0, vectors),
        )
        variant = Variant(TILES[-1], dtypes, added, side, side, vectors, (edge, edge))
        what = f"matmul {dtype} {vectors} {along_k} edge={edge} bias={bias}"
        yield what, product_pipeline(variant)
    a, b = Operand(True, 0, 0), Operand(False, 0, 0, True)
    for dtype, added in product(DTYPES, (None, "float32")):
        inputs = Input("float32", Mode.GIVEN), Input(dtype, Mode.ROW), Input(dtype, Mode.STRIDED)
        steps = Step("add", (0, 1), "float32", "float32"), Step("ge", (3, 2), "float32", "bool")
        tail = Tail(inputs, steps, 2)
        variant = Variant(TILES[-1], f32, added, a, b, True, (False, False))
        yield f"matmul {added}, then {dtype}", product_pipeline(variant, tail)
    for bias_dtype in (None, *DTYPES):
        for dtype in ("float32", "int32") if bias_dtype is None else (ACCUMULATOR[bias_dtype],):
            yield f"matmul_parts {dtype} {bias_dtype}", parts_pipeline(dtype, bias_dtype)


def _convolutions() -> Iterator[tuple[str, Pipeline]]:
    f32, taps = ("float32", "float32"), (3, 2)
    along, across = Operand(True, 0, 0), Operand(False, 0, 0, True)
    plain = Gathered(taps, False, True, False)
    for choice, weight in product(TILES, (along, across, None)):
        variant = ConvolutionVariant(choice, f32, None, weight, plain, True, False, False)
        yield f"convolution {choice} {weight}", convolution_pipeline(variant)
    small = TILES[-1]
    elements = across._replace(vectors=False)
    for tile, dtype, weight, general in product(
        (small, None), ("float32", "float16"), (along, elements, None), (False, True)
    ):
        source = plain._replace(bounded=general, far=general)
        bias = dtype if general and weight is not None else None
        variant = ConvolutionVariant(
            tile, (dtype, dtype), bias, weight, source, False, general, general
        )
        yield f"convolution {tile} {dtype} {weight} {general}", convolution_pipeline(variant)
    pixelwise = Gathered((1, 1), True, False, False)
    inputs = Input("float32", Mode.GIVEN), Input("float32", Mode.VECTOR)
    tail = Tail(inputs, (Step("add", (0, 1), "float32", "float32"),), 1)
    for weight in (along, across):
        variant = ConvolutionVariant(small, f32, "float32", weight, pixelwise, True, False, False)
        for then in (None, tail):
            yield f"pixelwise {weight} {then}", convolution_pipeline(variant, then)


def _pools() -> Iterator[tuple[str, Pipeline]]:
    for dtype in ("float32", "float16"):
        for kind, largest, adaptive, include in product(
            ("forward", "backward"), (False, True), (False, True), (False, True)
        ):
            shape = pooling.Shape((3, 2), (2, 1), (1, 2), adaptive, include)
            pipeline = pooling.pool_pipeline(kind, largest, dtype, shape, include)
            yield f"pooling {dtype} {kind} {largest} {adaptive} {include}", pipeline
        yield f"pooling places {dtype}", pooling.places_pipeline(dtype)
        yield f"resample {dtype}", resample.resample_pipeline(dtype)
        for folds in (False, True):
            yield f"unfold {dtype} {folds}", resample.unfold_pipeline(dtype, folds)


def _row_kernels() -> Iterator[tuple[str, Pipeline]]:
    for dtype, vectors, lanes, cached in product(
        ("float32", "float16"), (False, True), (1, 32, WORKGROUP), (0, 3, MOST_CACHED)
    ):
        what = f"{dtype} {vectors} {lanes} {cached}"
        for log in (False, True):
            yield f"softmax {what} {log}", rows.softmax_pipeline(dtype, vectors, lanes, cached, log)
            yield (
                f"softmax_backward {what} {log}",
                rows.softmax_backward_pipeline((dtype, dtype), vectors, lanes, cached, log),
            )
        for smoothing in (False, True):
            yield (
                f"cross_entropy {what} {smoothing}",
                rows.cross_entropy_pipeline(dtype, vectors, lanes, cached, smoothing),
            )
        yield (
            f"cross_entropy_backward {what}",
            rows.cross_entropy_backward_pipeline(dtype, vectors, lanes, cached),
        )


def _layer_norms() -> Iterator[tuple[str, Pipeline]]:
    floats = "float32", "float16"
    for vectors, lanes, cached in product((False, True), (1, 32, WORKGROUP), (0, 3, MOST_CACHED)):
        for dtype, centred in product(floats, (False, True)):
            what = f"{dtype} {centred} {vectors} {lanes} {cached}"
            dtypes = dtype, dtype, dtype
            pipeline = layer_norm.norm_pipeline(dtypes, centred, vectors, lanes, cached)
            yield f"layer_norm {what}", pipeline
            pipeline = layer_norm.backward_pipeline(dtypes, centred, vectors, lanes, cached)
            yield f"layer_norm_backward {what}", pipeline
    lines = None, *floats
    for first, second, third, vectors in product(floats, lines, lines, (False, True)):
        what = f"{first} {second} {third} {vectors}"
        pipeline = layer_norm.norm_pipeline((first, second, third), True, vectors, 32, 2)
        yield f"layer_norm {what}", pipeline
        if second is not None:
            dtypes_backward = first, second, third
            pipeline = layer_norm.backward_pipeline(dtypes_backward, True, vectors, 32, 2)
            yield f"layer_norm_backward {what}", pipeline
    for first, second, vectors, bias in product(floats, floats, (False, True), (False, True)):
        what = f"layer_norm_sums {first} {second} {vectors} {bias}"
        yield what, layer_norm.sums_pipeline((first, second), vectors, bias)
    for vectors, bias in product((False, True), (False, True)):
        yield f"layer_norm_sums of parts {vectors} {bias}", layer_norm.parts_pipeline(vectors, bias)


def _channel_norms() -> Iterator[tuple[str, Pipeline]]:
    floats, both = ("float32", "float16"), (False, True)
    for dtype, vectors in product(floats, both):
        what = f"{dtype} {vectors}"
        for lanes, final in product((1, 32, WORKGROUP), both):
            pipeline = channel_norm_source.row_moments_pipeline(dtype, vectors, lanes, final)
            yield f"channel_moments_rows {what} {lanes} {final}", pipeline
        pipeline = channel_norm_source.column_moments_pipeline(dtype, vectors)
        yield f"channel_moments_columns {what}", pipeline
    for running, tracked in ((False, False), (True, False), (True, True)):
        what = f"channel_moments_join {running} {tracked}"
        yield what, channel_norm_source.join_moments_pipeline(running, tracked)
    for first, second, vectors, batch in product(floats, floats, both, both):
        what = f"{first} {second} {vectors} {batch}"
        for lanes in (1, 64):
            pipeline = channel_norm_source.row_sums_pipeline((first, second), vectors, lanes, batch)
            yield f"channel_sums {what} {lanes}", pipeline
        for weight in (None, *floats):
            pipeline = channel_norm_source.backward_pipeline(
                (first, second), weight, batch, vectors, False
            )
            yield f"channel_norm_backward {what} {weight}", pipeline
        pipeline = channel_norm_source.backward_pipeline((first, second), None, batch, False, True)
        yield f"channel_norm_backward {what} short", pipeline
        if batch:
            pipeline = channel_norm_source.column_sums_pipeline((first, second), vectors, 3)
            yield f"channel sums of columns {what}", pipeline
    for weight in (None, *floats):
        yield f"channel_sums_join {weight}", channel_norm_source.join_sums_pipeline(weight)


def _indexing() -> Iterator[tuple[str, Pipeline]]:
    for name in ("iota", "last", "put"):
        yield name, kernel(name).variant()
    for adds in (False, True):
        yield f"positions {adds}", kernel("positions").variant(ADDS=adds)
    for dtype, vectors in product(DTYPES, (False, True)):
        what = f"{dtype} {vectors}"
        for each in (1, indexing.MOST_EACH):
            yield f"gather {what} {each}", indexing.gather_pipeline(dtype, vectors, each)
        for lanes in (1, 64):
            sums, joins = segments.sum_pipelines(dtype, vectors, lanes, 8)
            yield f"segment_sums {what} {lanes}", sums
            yield f"segment_joins {what} {lanes}", joins
            places = segments.place_pipeline(dtype, vectors, lanes)
            yield f"place_sums {what} {lanes}", places
    for dtype, span in product(DTYPES, (1, 32, segments.SPLIT)):
        yield f"line_sums {dtype} {span}", segments.line_pipeline(dtype, span)


def _sorts() -> Iterator[tuple[str, Pipeline]]:
    for lanes in (1, 32, WORKGROUP):
        yield f"sort_scan {lanes}", sort_source.scan_pipeline(lanes)
    plain = (sort_source.Keys("int32", bits, True, False) for bits in (3, 8, 31))
    ordered = (
        sort_source.Keys(dtype, sort_source.BITS[dtype], False, descending)
        for dtype, descending in product(DTYPES, (False, True))
    )
    for keys in (*plain, *ordered):
        width = min(keys.bits, sort_source.DIGIT)
        for first, last in product((False, True), (False, True)):
            what = f"{keys} {first} {last}"
            rows_pipeline = sort_source.rows_pipeline(keys, sort_source.SHORT, first, last)
            yield f"sort_rows {what}", rows_pipeline
            yield f"sort_count {what}", sort_source.count_pipeline(keys, width, first)
            yield f"sort_scatter {what}", sort_source.scatter_pipeline(keys, width, first, last)
    for dtype, right in product(DTYPES, (False, True)):
        yield f"search {dtype} {right}", sort_source.search_pipeline(dtype, right)


def _scans() -> Iterator[tuple[str, Pipeline]]:
    ways = [
        (vectors, reverse, totals, carried)
        for vectors, reverse in product((False, True), (False, True))
        for totals, carried in ((False, False), (True, False), (False, True))
    ]
    some = [(vectors, False, False, False) for vectors in (False, True)]
    for op, dtype in (*product(("sum", "prod", "max", "min"), DTYPES), ("logaddexp", "float16")):
        for way in ways if (op, dtype) == ("sum", "float32") else some:
            what = f"{op} {dtype} {way}"
            yield f"scan_rows {what}", scan_source.rows_pipeline(op, dtype, WORKGROUP, *way)
            yield f"scan_columns {what}", scan_source.columns_pipeline(op, dtype, *way)


def _recurrent_layers() -> Iterator[tuple[str, Pipeline]]:
    for kind, tile, ends in product(recurrent_source.GATES, recurrent_source.TILES, (False, True)):
        what = f"recurrent {kind}, tiles of {tile.tm} x {tile.tn}{', lengths' * ends}"
        for bias in (False, True):
            pipeline = recurrent_source.forward_pipeline(kind, tile, bias, ends)
            yield f"{what}{', bias' * bias}", pipeline
        yield f"{what}, backward", recurrent_source.backward_pipeline(kind, tile, ends)
    for kind, lines, k in product(recurrent_source.GATES, (False, True), (False, True)):
        packs = recurrent_source.pack_pipeline(kind, recurrent_source.TILES[0], lines, k)
        yield f"recurrent_pack {kind} {lines} {k}", packs


def _attentions() -> Iterator[tuple[str, Pipeline]]:
    vectors, elements = Given("float32", True, True), Given("float16", False, False)
    plain = True, None, False, True
    with_mask = False, "bool", True, False
    padded = False, "float32", True, False
    for name in attention_source.KERNELS:
        reads = len(attention_source.READS[name])
        for given, options in ((vectors, plain), (elements, with_mask), (vectors, padded)):
            causal, mask, dropout, stored = options
            if name not in attention_source.SCORES:
                mask, dropout = None, False
            tile = Tile(8, 1, 1)
            variant = attention_source.Variant(
                name, tile, 32, (given,) * reads, causal, mask, dropout, stored, 32
            )
            yield f"attention {variant}", attention_pipeline(variant)
    for given in (vectors, elements):
        what = f"attention_delta {given}"
        yield what, attention_source.delta_pipeline(given, given)
    yield "attention_mask", attention_source.mask_pipeline(32)
