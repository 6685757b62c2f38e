"""Kernels: variants, bindings, params, and the errors of a wrong one."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rumus import gpu
from rumus.gpu import _uniforms
from rumus.gpu._interface import ParamBlock, Params, read_interface
from rumus.tensor import Tensor

HEAD = """
@group(0) @binding(0) var<storage, read> x: array<scalar>;
@group(0) @binding(1) var<storage, read_write> y: array<scalar>;
"""
MAIN = "@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>)"


def scale(factor: str = "FACTOR") -> gpu.Kernel:
    body = f"{{ if (id.x < arrayLength(&y)) {{ y[id.x] = {factor} * x[id.x]; }} }}"
    return gpu.Kernel(HEAD + MAIN + body, name="scale")


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
    with pytest.raises(gpu.KernelError, match="without gaps" if numbers else "declares no storage"):
        gpu.Kernel(code, name="gaps").variant()


def test_a_binding_in_a_comment_is_not_one() -> None:
    commented = "// @group(0) @binding(7) var<storage, read> old: array<f32>;\n"
    body = "{ y[0] = x[0]; }"
    kernel = gpu.Kernel(commented + HEAD + MAIN + body, name="commented")
    assert [b.name for b in kernel.variant(scalar="f32").bindings] == ["x", "y"]


def test_a_kernel_that_binds_no_array_is_refused() -> None:
    code = "struct P { a: u32 }\n@group(0) @binding(0) var<uniform> params: P;\n"
    with pytest.raises(gpu.KernelError, match="no array to write to"):
        read_interface("idle", code)


@pytest.mark.parametrize("value", [-1, 1 << 32, float("inf"), float("nan"), None, [1]])
def test_a_constant_that_wgsl_cannot_say_is_refused(value: object) -> None:
    with pytest.raises(gpu.KernelError, match="FACTOR="):
        scale().variant(scalar="f32", FACTOR=value)  # type: ignore[arg-type]


WORDS = {
    "u32": ("I", st.integers(0, 2**32 - 1)),
    "i32": ("i", st.integers(-(2**31), 2**31 - 1)),
    "f32": ("f", st.floats(width=32, allow_nan=False)),
}


def block_of(kinds: list[str]) -> ParamBlock:
    fields = ", ".join(f"field{n}: {kind}" for n, kind in enumerate(kinds))
    code = f"struct P {{ {fields} }}\n{HEAD}@group(0) @binding(2) var<uniform> params: P;\n"
    block = read_interface("some", code)[1]
    assert block is not None
    return block


@given(st.data(), st.lists(st.sampled_from(sorted(WORDS)), min_size=1))
def test_params_are_packed_as_their_declared_types(data: st.DataObject, kinds: list[str]) -> None:
    values = [data.draw(WORDS[kind][1]) for kind in kinds]
    packed = block_of(kinds).pack(values)
    assert struct.unpack("<" + "".join(WORDS[kind][0] for kind in kinds), packed) == tuple(values)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ((), "takes 3 params; 0 were given"),
        ((1, 2.0), "takes 3 params; 2 were given"),
        ((1, 2.0, 3, 4), "takes 3 params; 4 were given"),
        ((1.5, 2.0, 3), "takes field0 as u32; it is 1.5"),
        ((1, "2", 3), "takes field1 as f32; it is '2'"),
        ((1, 2.0, 1 << 32), "takes field2 as i32; it is 4294967296"),
        ((1, 1e39, 3), "takes field1 as f32"),
        (b"12345678", "takes 12 bytes; 8 were given"),
    ],
)
def test_params_that_do_not_fit_the_block_are_refused(params: Params, message: str) -> None:
    with pytest.raises(gpu.KernelError, match=message):
        block_of(["u32", "f32", "i32"]).pack(params)


@pytest.mark.gpu
def test_params_for_a_kernel_without_a_block_are_refused() -> None:
    with pytest.raises(gpu.KernelError, match="no uniform block"):
        scale("2.0").variant(scalar="f32").dispatch([gpu.zeros((4,)), gpu.empty((4,))], (1,))


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
def test_numbers_become_the_types_that_the_block_declares() -> None:
    body = """{ y[0] = f32(params.count); y[1] = f32(params.shift); y[2] = params.factor;
                y[3] = f32(params.size >> 28u); y[4] = x[0]; }"""
    block = """struct P { count: u32, shift: i32, /* per step: */ factor: f32, size: u32 }
               @binding(2u) @group(0) var<uniform> params: P;\n"""
    pipeline = gpu.Kernel(HEAD + block + MAIN + body, name="typed").variant(scalar="f32")
    y = gpu.empty((5,))
    pipeline.dispatch([gpu.zeros((5,)), y], (np.int64(7), -2, 3, -1))
    assert gpu.to_host(y).tolist() == [7, -2, 3, 15, 0]


def test_a_declaration_is_read_in_every_form_that_wgsl_has_for_it() -> None:
    # Compilers differ here: wgpu before 0.32 takes no comma behind an attribute's argument.
    code = """struct P { count: u32, /* per step: */ factor: f32, }
              @group( 0, ) @binding(1i,) var < storage , read_write , > y : array<f32>;
              @binding(0u) @group(0u) var<storage> x: array<f32>;
              @binding(2) // the last
              @group(0) var<uniform> params: P;"""
    bindings, block = read_interface("forms", code)
    assert [tuple(b) for b in bindings] == [
        ("x", "read"),
        ("y", "read_write"),
        ("params", "uniform"),
    ]
    assert block is not None and block.pack((7, 0.5)) == struct.pack("<If", 7, 0.5)


@pytest.mark.gpu
def test_a_constant_may_be_a_number_of_numpy() -> None:
    y = gpu.empty((64,))
    scale().variant(scalar="f32", FACTOR=np.float32(0.5)).dispatch([gpu.full((64,), 3.0), y])
    assert (gpu.to_host(y) == 1.5).all()


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
@pytest.mark.parametrize("groups", [-1, 1.5, "1", (), (1, 1, 1, 1), (1, None), True])
def test_workgroups_that_are_no_grid_are_refused(groups: object) -> None:
    pipeline = scale("2.0").variant(scalar="f32")
    with pytest.raises(gpu.KernelError, match="one to three integers from 0"):
        pipeline.dispatch([gpu.zeros((4,)), gpu.empty((4,))], groups=groups)  # type: ignore[arg-type]


@pytest.mark.gpu
def test_a_tensor_in_place_of_its_array_is_refused() -> None:
    x = Tensor(np.ones(4, np.float32), device="gpu")
    with pytest.raises(gpu.KernelError, match=r"takes GpuArrays, such as tensor.array"):
        scale("2.0").variant(scalar="f32").dispatch([x, x])  # type: ignore[list-item]


@pytest.mark.gpu
@pytest.mark.parametrize("recording", [False, True], ids=["at once", "in a capture"])
def test_a_storage_that_is_written_is_bound_once(recording: bool) -> None:
    x = gpu.full((64,), 3.0)
    pipeline = scale("2.0").variant(scalar="f32")
    run = gpu.capture(pipeline.dispatch) if recording else pipeline.dispatch
    with pytest.raises(gpu.KernelError, match="writes 'y', and x and y are given arrays of one"):
        run([x, x])
    gpu.synchronize()
    assert (gpu.to_host(x) == 3).all()


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
