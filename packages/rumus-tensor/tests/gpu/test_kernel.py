"""Kernels: variants, bindings, params, and the errors of a wrong one."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rumus import gpu
from rumus.gpu import _uniforms
from rumus.gpu._kernel import pack

HEAD = """
@group(0) @binding(0) var<storage, read> x: array<scalar>;
@group(0) @binding(1) var<storage, read_write> y: array<scalar>;
"""
MAIN = "@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>)"


def scale(factor: str = "FACTOR") -> gpu.Kernel:
    body = f"{{ if (id.x < arrayLength(&y)) {{ y[id.x] = {factor} * x[id.x]; }} }}"
    return gpu.Kernel(HEAD + MAIN + body, name="scale")


@given(st.lists(st.integers(-(2**31), 2**32 - 1) | st.floats(width=32, allow_nan=False)))
def test_params_are_packed_as_words(values: list[float]) -> None:
    packed = pack(values)
    assert len(packed) == 4 * len(values)
    for position, value in enumerate(values):
        kind = "f" if isinstance(value, float) else "I" if value >= 0 else "i"
        assert struct.unpack_from("<" + kind, packed, 4 * position)[0] == value


def test_the_same_constants_give_the_same_variant_and_equal_ones_of_other_types_do_not() -> None:
    kernel = scale()
    one = kernel.variant(scalar="f32", FACTOR=1.0)
    assert kernel.variant(scalar="f32", FACTOR=1.0) is one
    assert kernel.variant(scalar="u32", FACTOR=1) is not one
    assert "const FACTOR: u32 = 1u;" in kernel.variant(scalar="u32", FACTOR=1).code


@pytest.mark.parametrize("numbers", [(0, 2), (1, 2), ()], ids=["a gap", "not from 0", "no binding"])
def test_bindings_that_are_not_numbered_from_zero_are_refused(numbers: tuple[int, ...]) -> None:
    code = "".join(
        f"@group(0) @binding({n}) var<storage, read> x{n}: array<f32>;\n" for n in numbers
    )
    with pytest.raises(gpu.KernelError, match="without gaps"):
        gpu.Kernel(code, name="gaps").variant()


def test_a_binding_in_a_comment_is_not_one() -> None:
    commented = "// @group(0) @binding(7) var<storage, read> old: array<f32>;\n"
    body = "{ y[0] = x[0]; }"
    kernel = gpu.Kernel(commented + HEAD + MAIN + body, name="commented")
    assert [b.name for b in kernel.variant(scalar="f32").bindings] == ["x", "y"]


@pytest.mark.gpu
def test_a_variant_computes() -> None:
    x = gpu.from_host(np.arange(64, dtype=np.float32))
    y = gpu.empty((64,))
    scale().variant(scalar="f32", FACTOR=3.0).dispatch([x, y])
    assert (gpu.to_host(y) == 3 * np.arange(64)).all()


@pytest.mark.gpu
def test_more_params_than_are_kept_are_all_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_uniforms, "MOST_PAGES", 1)
    body = "{ if (id.x < arrayLength(&y)) { y[id.x] = params.factor * x[id.x]; } }"
    params = "struct P { factor: f32 }\n@group(0) @binding(2) var<uniform> params: P;\n"
    pipeline = gpu.Kernel(HEAD + params + MAIN + body, name="factor").variant(scalar="f32")
    x = gpu.full((4,), 1.0)
    results = []
    for number in range(3000):
        y = gpu.empty((4,))
        pipeline.dispatch([x, y], (float(number),))
        if number % 97 == 0:
            results.append((number, y))
    assert all((gpu.to_host(y) == number).all() for number, y in results)


@pytest.mark.gpu
def test_a_compile_error_names_kernel_line_and_column_of_the_file() -> None:
    kernel = gpu.Kernel(HEAD + MAIN + "{\n    y[0] = nonsense;\n}", name="broken")
    x = gpu.zeros((4,))
    with pytest.raises(gpu.KernelError, match=r"kernel broken, line 5, column 12"):
        kernel.variant(scalar="f32").dispatch([x, gpu.empty((4,))])


@pytest.mark.gpu
def test_a_wrong_number_of_arrays_is_refused() -> None:
    with pytest.raises(gpu.KernelError, match="binds 2 arrays, and 1 were given"):
        scale("2.0").variant(scalar="f32").dispatch([gpu.zeros((4,))])


@pytest.mark.gpu
def test_too_many_workgroups_are_refused_with_the_limit() -> None:
    x = gpu.zeros((4,))
    most = gpu.limits()["max-compute-workgroups-per-dimension"]
    with pytest.raises(gpu.GpuLimitError, match=f"max-compute-workgroups-per-dimension is {most}"):
        scale("2.0").variant(scalar="f32").dispatch([x, gpu.empty((4,))], groups=most + 1)


@pytest.mark.gpu
def test_one_buffer_bound_for_reading_and_writing_is_an_error_at_the_next_wait() -> None:
    x = gpu.zeros((64,))
    with pytest.raises(gpu.GpuError):
        scale("2.0").variant(scalar="f32").dispatch([x, x])
        gpu.synchronize()
    gpu.synchronize()


@pytest.mark.gpu
def test_a_fault_is_raised_at_the_next_wait_and_forgotten() -> None:
    code = (
        HEAD.replace("scalar", "f32")
        + "@group(0) @binding(2) var<storage, read_write> fault: array<atomic<u32>, 4>;\n"
        + MAIN
        + """{
        y[id.x] = x[id.x];
        if (x[id.x] > 5.0) {
            if (atomicCompareExchangeWeak(&fault[0], 0u, FAULT).exchanged) {
                atomicStore(&fault[1], id.x);
                atomicStore(&fault[2], u32(x[id.x]));
            }
        }
    }"""
    )
    kernel = gpu.Kernel(code, name="picky", fault=("element {0} is {1}", ValueError)).variant()
    values = np.zeros(64, np.float32)
    values[17] = 9
    kernel.dispatch([gpu.from_host(values), gpu.empty((64,))])
    with pytest.raises(ValueError, match="element 17 is 9"):
        gpu.synchronize()
    gpu.synchronize()
