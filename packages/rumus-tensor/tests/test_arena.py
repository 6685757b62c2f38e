"""Arenas: parameters keep their values and identity, gradients come in their slots."""

import os
import subprocess
import sys
from tempfile import gettempdir
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rumus import nn
from rumus._backends.cpu.movement import root
from rumus.autograd import GradientStore, no_grad
from rumus.nn import Parameter
from rumus.tensor import (
    ArgumentError,
    AutogradError,
    DeviceError,
    Tensor,
    float32,
    from_numpy,
    manual_seed,
    ones,
    pack,
    tensor,
)


def memory(array: Any) -> tuple[object, int]:
    """What holds an array's elements, and the place of the first one in it."""
    if not isinstance(array, np.ndarray):
        return array.storage, array.offset
    owner = root(array)
    start = array.__array_interface__["data"][0] - owner.__array_interface__["data"][0]
    return id(owner), start // array.itemsize


def parameter(device: str, shape: tuple[int, ...], seed: int = 0) -> Parameter:
    values = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    return Parameter(from_numpy(values).to(device))


@given(st.lists(st.lists(st.integers(0, 9), max_size=3).map(tuple), min_size=1, max_size=8))
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_packing_keeps_values_and_aligns_slots(device: str, shapes: list[tuple[int, ...]]) -> None:
    params = [parameter(device, shape, seed) for seed, shape in enumerate(shapes)]
    before = [(p.id, p.numpy()) for p in params]
    (arena,) = pack(params)
    for p, slot, (key, values) in zip(params, arena.slots, before, strict=True):
        assert p.id is key
        assert (p.numpy() == values).all()
        whole, start = memory(arena.data)
        assert memory(p.array) == (whole, start + slot.offset)
        assert slot.offset % 64 == 0
        assert slot.size == p.size
        assert slot.parameter is p
    whole = Tensor.from_array(arena.data).numpy()
    assert np.count_nonzero(whole) == sum(np.count_nonzero(values) for _, values in before)


def test_what_shares_a_parameters_memory_shares_it_still_once_it_is_packed(device: str) -> None:
    layer = nn.Linear(4, 3).to(device)
    state = layer.state_dict()
    weight, bias = layer.weight, layer.bias
    assert bias is not None
    row, turned, corner = weight.detach()[1], weight.detach().T, weight.detach()[::2, 1:3]
    for _ in range(2):
        pack([bias, weight])
        pack([weight, bias])
        with no_grad():
            weight.mul_(2.0)
            bias.add_(1.0)
        now = weight.numpy()
        np.testing.assert_array_equal(state["weight"].numpy(), now)
        np.testing.assert_array_equal(state["bias"].numpy(), bias.numpy())
        np.testing.assert_array_equal(row.numpy(), now[1])
        np.testing.assert_array_equal(turned.numpy(), now.T)
        np.testing.assert_array_equal(corner.numpy(), now[::2, 1:3])
        state["weight"][0] = 7.0
        assert (weight.numpy()[0] == 7.0).all()
    fresh = weight.detach()[2]
    pack([bias, weight])
    loss = (Parameter(ones(4, device=device)) * fresh).sum()
    weight.detach().zero_()
    with pytest.raises(AutogradError):
        loss.backward()


def test_packing_the_same_parameters_again_moves_nothing(device: str) -> None:
    params = [parameter(device, (3, 4)), parameter(device, (5,))]
    (arena,) = pack(params)
    assert pack(params)[0] is arena
    assert pack(params[::-1])[0] is not arena


def test_backward_writes_gradients_into_their_slots(device: str) -> None:
    manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2)).to(device)
    check_slots(model, ones((4, 6), device=device))


@pytest.mark.parametrize("rows", [4, 1000])
def test_a_layer_norm_writes_both_gradients_into_their_slots(device: str, rows: int) -> None:
    values = np.random.default_rng(0).normal(size=(rows, 3, 2))
    check_slots(nn.LayerNorm((3, 2)).to(device), tensor(values, dtype=float32, device=device))


def check_slots(model: nn.Layer, x: Tensor) -> None:
    expected = (model(x) ** 2).mean().backward()
    reference = [_grad(expected, p).numpy() for p in model.parameters()]
    (arena,) = pack(model.parameters())
    grads = (model(x) ** 2).mean().backward()
    for p, slot, values in zip(model.parameters(), arena.slots, reference, strict=True):
        grad = _grad(grads, p)
        whole, start = memory(arena.grads)
        assert memory(grad.array) == (whole, start + slot.offset)
        np.testing.assert_array_equal(grad.numpy(), values)


@pytest.mark.parametrize("shape", [(50, 4), (3, 4, 5, 5)])
def test_norms_of_channels_write_both_gradients_into_their_slots(
    shape: tuple[int, ...], device: str
) -> None:
    values = np.random.default_rng(0).standard_normal(shape)
    x = tensor(values, dtype=float32, device=device)
    check_slots((nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d)(4).to(device), x)
    check_slots(nn.GroupNorm(2, 4).to(device), x)


def test_an_rms_norm_writes_its_gradient_into_its_slot(device: str) -> None:
    values = np.random.default_rng(0).standard_normal((50, 4))
    check_slots(nn.RMSNorm(4).to(device), tensor(values, dtype=float32, device=device))


def test_a_layer_norm_of_a_gradient_does_not_write_where_it_reads(device: str) -> None:
    source, layer = parameter(device, (4, 8)), nn.LayerNorm(8).to(device)
    (arena,) = pack([source, *layer.parameters()])
    x = _grad((source * source).sum().backward(), source)
    assert memory(x.array)[0] == memory(arena.grads)[0]
    values = x.numpy().copy()
    grads = layer(x).sum().backward()
    assert _grad(grads, layer.bias).numpy().tolist() == [4.0] * 8
    np.testing.assert_array_equal(x.numpy(), values)


def test_two_stores_never_share_a_slot(device: str) -> None:
    weight = parameter(device, (4,))
    (arena,) = pack([weight])
    first = (weight * 2.0).sum().backward()
    second = (weight * 3.0).sum().backward()
    assert _grad(first, weight).numpy().tolist() == [2.0] * 4
    assert _grad(second, weight).numpy().tolist() == [3.0] * 4
    assert memory(_grad(second, weight).array)[0] != memory(arena.grads)[0]


def test_half_precision_has_an_arena_of_its_own(device: str) -> None:
    half = Parameter(tensor([1.0, 2.0, 3.0], dtype=np.float16, device=device))
    single = parameter(device, (3,))
    arenas = pack([half, single])
    assert [arena.data.dtype for arena in arenas] == [np.float16, np.float32]
    assert half.numpy().tolist() == [1.0, 2.0, 3.0]


def test_no_parameters_are_refused() -> None:
    with pytest.raises(ArgumentError):
        pack([])


@pytest.mark.gpu
def test_parameters_on_two_devices_are_refused() -> None:
    with pytest.raises(DeviceError, match="on cpu"):
        pack([parameter("gpu", (2,)), parameter("cpu", (2,))])


def test_a_parameter_given_twice_is_refused(device: str) -> None:
    weight = parameter(device, (2,))
    with pytest.raises(ArgumentError, match="twice"):
        pack([weight, weight])


@pytest.mark.gpu
def test_an_arena_ends_where_the_binding_limit_is() -> None:
    code = """
import numpy as np
from rumus.nn import Parameter
from rumus.tensor import ones, pack
params = [Parameter(ones((300, 400), device="gpu") * float(k)) for k in range(7)]
arenas = pack(params)
assert [len(arena.slots) for arena in arenas] == [2, 2, 2, 1], arenas
assert all((p.numpy() == k).all() for k, p in enumerate(params))
"""
    limits = "max-storage-buffer-binding-size=1048576"
    environment = {"XDG_RUNTIME_DIR": gettempdir(), **os.environ, "RUMUS_GPU_LIMITS": limits}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert result.returncode == 0, result.stderr.decode()


def _grad(grads: GradientStore, parameter: Parameter) -> Tensor:
    found = grads.get(parameter.id)
    assert found is not None
    return found


def test_on_the_cpu_a_view_of_a_gradient_that_is_no_tensor_keeps_its_slot() -> None:
    weight = parameter("cpu", (4,))
    pack([weight])
    grads = (weight * 2.0).sum().backward()
    seen = np.asarray(_grad(grads, weight), copy=False)[1:]
    del grads
    (weight * 3.0).sum().backward()
    assert seen.tolist() == [2.0] * 3


def test_on_the_cpu_a_product_is_written_into_its_slot_by_blas(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weight = parameter("cpu", (300, 200))
    (arena,) = pack([weight])
    outs = []
    matmul = np.matmul

    def noted(a: Any, b: Any, out: Any = None) -> Any:
        outs.append(out)
        return matmul(a, b, out=out)

    loss = (ones((50, 300)) @ weight).sum()
    monkeypatch.setattr(np, "matmul", noted)
    loss.backward()
    assert [memory(out) for out in outs if out is not None] == [memory(arena.grads)]
    assert arena.data.__array_interface__["data"][0] % 256 == 0
