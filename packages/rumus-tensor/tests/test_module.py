"""Modules: what is found in them, how they move, and how their weights are saved and loaded."""

import copy
import json
import os
import pickle

import numpy as np
import pytest

from rumus import nn
from rumus.autograd import borrow, no_grad
from rumus.tensor import (
    ArgumentError,
    AutogradError,
    BorrowError,
    Device,
    DeviceError,
    DTypeError,
    StateDictError,
    Tensor,
    float16,
    manual_seed,
    ones,
    structure_version,
    tensor,
    zeros,
)


class Block(nn.Module):
    def __init__(self) -> None:
        self.first = nn.Linear(2, 3)
        self.more = [nn.Linear(3, 3, bias=False), nn.ReLU()]
        self.named = {"out": nn.Linear(3, 1)}
        self.scale = nn.Parameter(ones(1))
        self.register_buffer("steps", zeros(1))

    steps: Tensor

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        for layer in self.more:
            x = layer(x)
        return self.named["out"](x) * self.scale


NAMES = [
    "scale",
    "first.weight",
    "first.bias",
    "more.0.weight",
    "named.out.weight",
    "named.out.bias",
]


def test_parameters_are_found_in_attributes_lists_and_dicts():
    block = Block()
    assert [name for name, _ in block.named_parameters()] == NAMES
    assert [p.name for p in block.parameters()] == NAMES
    assert [name for name, _ in block.named_buffers()] == ["steps"]
    assert [name for name, _ in block.named_modules()] == [
        "",
        "first",
        "more.0",
        "more.1",
        "named.out",
    ]
    assert len(list(block.children())) == 4


def test_a_shared_parameter_is_found_once():
    block = Block()
    block.more[0].weight = block.again = nn.Parameter(ones((3, 3)))
    names = [name for name, _ in block.named_parameters()]
    assert len(names) == len(block.parameters()) == 6 and "again" in names
    assert {"again", "more.0.weight"} <= set(block.state_dict())
    shared = nn.Linear(2, 2)
    assert len(nn.Sequential(shared, nn.ReLU(), shared).parameters()) == 2


def test_names_come_from_the_outermost_module_unless_given():
    model = nn.Sequential(nn.Linear(2, 2))
    own = nn.Parameter(ones(1), name="mine")
    assert own.label == "parameter 'mine'"
    model.layers[0].parameters()
    assert model.parameters()[0].name == "0.weight"
    model.layers[0].parameters()
    assert model.parameters()[0].name == "0.weight"
    model.extra = own
    assert own in model.parameters() and own.name == "mine"


def test_modes_reach_every_module():
    model = nn.Sequential(nn.Dropout(0.5), nn.Sequential(nn.Dropout(0.5)))
    assert model.eval() is model and not any(m.training for m in model.modules())
    assert all(m.training for m in model.train().modules())


def test_changes_of_structure_are_counted(device):
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout())
    version = structure_version()
    for change, counts in [
        (model.eval, True),
        (model.eval, False),
        (model.train, True),
        (lambda: model.requires_grad_(False), True),
        (lambda: model.requires_grad_(False), False),
        (lambda: model.to(device), device != "cpu"),
        (lambda: model.parameters()[0].copy_(ones((2, 2), device=device)), False),
    ]:
        change()
        assert (structure_version() != version) == counts
        version = structure_version()


def test_a_parameter_is_frozen_as_a_module_is():
    model = nn.Linear(2, 1)
    for parameter in model.parameters():
        assert parameter.requires_grad_(False) is parameter
    model.bias.requires_grad_()
    assert list(model(ones((1, 2))).sum().backward()) == [model.bias.id]


def test_moving_keeps_identities_and_values(device):
    block = Block()
    before = [(p, p.id, p.numpy()) for p in block.parameters()]
    assert block.to(device) is block
    for (p, id, values), moved in zip(before, block.parameters(), strict=True):
        assert p is moved and p.id is id and p.device is Device(device)
        np.testing.assert_array_equal(p.numpy(), values)
    assert block.steps.device is Device(device)
    assert block(ones((4, 2), device=device)).shape == (4, 1)
    block.to_cpu()
    assert all(p.device is Device("cpu") for p in block.parameters())


def test_floats_become_another_float(device):
    block = Block().to(device)
    block.register_buffer("count", tensor(3, device=device))
    ids = [p.id for p in block.parameters()]
    assert block.to(float16) is block and [p.id for p in block.parameters()] == ids
    assert all(p.dtype == float16 for p in block.parameters())
    assert block.steps.dtype == float16 and block.count.dtype == np.int32
    assert block(ones(2, 2, dtype=float16, device=device)).dtype == float16
    version = structure_version()
    assert block.to("float16").to(device) is block and structure_version() == version
    with pytest.raises(DTypeError, match="not int32"):
        block.to("int32")
    with pytest.raises(DeviceError, match="'tpu'"):
        block.to("tpu")


def test_a_forward_without_code_says_whose_it_is():
    class Empty(nn.Module):
        pass

    with pytest.raises(NotImplementedError, match="Empty has no forward"):
        Empty()()


def test_a_module_prints_as_a_tree():
    shown = repr(nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.ReLU(), nn.Dropout(0.1))))
    assert shown == (
        "Sequential(\n"
        "  (0): Linear(in_features=2, out_features=3, bias=True)\n"
        "  (1): Sequential(\n"
        "    (0): ReLU()\n"
        "    (1): Dropout(p=0.1)\n"
        "  )\n"
        ")"
    )


def test_a_buffer_has_a_python_name():
    with pytest.raises(ArgumentError, match="'a b'"):
        nn.ReLU().register_buffer("a b", zeros(1))


def test_weights_go_from_one_module_to_another(device):
    source, target = Block(), Block().to(device)
    ids = [p.id for p in target.parameters()]
    state = source.state_dict()
    assert sorted(state) == sorted([*NAMES, "steps"])
    target.load_state_dict(state)
    assert [p.id for p in target.parameters()] == ids
    for name, value in target.state_dict().items():
        assert value.device is Device(device)
        np.testing.assert_array_equal(value.numpy(), state[name].numpy())


def test_a_state_that_does_not_fit_is_listed_whole_and_changes_nothing():
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    before = {name: value.numpy() for name, value in model.state_dict().items()}
    state = {
        "0.weight": zeros((3, 2)),
        "0.bias": zeros(4),
        "1.weight": zeros(1, 3, dtype=np.int32),
        "2.bias": zeros(1),
    }
    with pytest.raises(StateDictError) as caught:
        model.load_state_dict(state)
    for part in [
        "missing '1.bias'",
        "unexpected '2.bias'",
        "'0.bias' is float32 of shape (3,) in the module, float32 of shape (4,) in the state",
        "'1.weight' is float32 of shape (1, 3) in the module, int32 of shape (1, 3)",
    ]:
        assert part in str(caught.value)
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name])


def test_a_state_with_names_exchanged_exchanges_the_weights(device):
    model = nn.Sequential(nn.Linear(3, 3, device=device), nn.Linear(3, 3, device=device))
    first, second = (layer.weight.numpy() for layer in model)
    state = model.state_dict()
    state["0.weight"], state["1.weight"] = state["1.weight"], state["0.weight"].T
    model.load_state_dict(state)
    np.testing.assert_array_equal(model[0].weight.numpy(), second)
    np.testing.assert_array_equal(model[1].weight.numpy(), first.T)
    model.load_state_dict(model.state_dict())
    np.testing.assert_array_equal(model[0].weight.numpy(), second)


def test_weights_without_elements_are_loaded(device):
    class Rest(nn.Module):
        def __init__(self):
            self.first = nn.Parameter(ones(2, device=device))
            self.nothing = nn.Parameter(zeros((4, 0), device=device))
            self.last = nn.Parameter(ones(2, device=device))

    model = Rest()
    state = {"first": ones(2) * 5, "nothing": zeros((4, 0)), "last": ones(2) * 6}
    model.load_state_dict(state)
    assert (model.first.tolist(), model.last.tolist()) == ([5.0, 5.0], [6.0, 6.0])


def test_a_buffer_that_cannot_be_written_to_leaves_all_weights_as_they_were(device):
    class Normalised(nn.Module):
        def __init__(self):
            self.weight = nn.Parameter(ones(2, device=device))
            self.register_buffer("mean", zeros(1, device=device).expand(3))

    model = Normalised()
    with pytest.raises(ArgumentError, match=r"'mean'.*expanded"):
        model.load_state_dict({"weight": zeros(2), "mean": ones(3)})
    assert model.weight.tolist() == [1.0, 1.0]


def test_a_part_of_the_weights_is_loaded_when_not_strict():
    model = nn.Linear(2, 3)
    bias = model.bias.numpy()
    report = model.load_state_dict({"weight": zeros((3, 2)), "other": zeros(1)}, strict=False)
    assert report == nn.LoadReport(("bias",), ("other",), ())
    assert not model.weight.numpy().any()
    np.testing.assert_array_equal(model.bias.numpy(), bias)
    report = model.load_state_dict({"weight": ones((2, 2)), "bias": ones(3)}, strict=False)
    assert report == nn.LoadReport((), (), ("weight",))
    assert not model.weight.numpy().any() and model.bias.tolist() == [1, 1, 1]
    with pytest.raises(StateDictError, match="'weight' is a list and no tensor"):
        model.load_state_dict({"weight": [1.0]}, strict=False)


def test_weights_survive_a_file(tmp_path, device):
    source, path = Block().to(device), tmp_path / "model.safetensors"
    nn.save_file(source, path)
    target = Block()
    target.load_state_dict(nn.load_file(path))
    for name, value in source.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), target.state_dict()[name].numpy())
    assert nn.load_file(path, device)["scale"].device is Device(device)
    assert os.listdir(tmp_path) == ["model.safetensors"]


def test_every_dtype_survives_a_file(tmp_path):
    state = {
        name: tensor(np.arange(5) % 2, name)
        for name in ("float32", "float16", "int32", "uint8", "bool")
    } | {"scalar": tensor(1.5), "nothing": zeros((0, 3))}
    nn.save_file(state, tmp_path / "x")
    for name, value in nn.load_file(tmp_path / "x").items():
        assert (value.dtype, value.shape) == (state[name].dtype, state[name].shape)
        assert value.tolist() == state[name].tolist()


def test_a_file_of_another_program_can_be_read(tmp_path):
    safetensors = pytest.importorskip("safetensors.numpy")
    safetensors.save_file({"w": np.arange(4.0), "i": np.arange(3)}, tmp_path / "x")
    state = nn.load_file(tmp_path / "x")
    assert state["w"].dtype == np.float32 and state["i"].dtype == np.int32


def test_another_program_can_read_a_file(tmp_path):
    safetensors = pytest.importorskip("safetensors.numpy")
    state = {
        "ünicode": tensor([1.0, 2.0], float16),
        "flag": tensor([True, False, True]),
        "w": ones((2, 3)),
        "none": zeros((0, 2)),
        "one": tensor(7),
    }
    nn.save_file(state, tmp_path / "x")
    arrays = safetensors.load_file(tmp_path / "x")
    assert set(arrays) == set(state)
    for name, array in arrays.items():
        assert array.dtype == state[name].dtype and array.shape == state[name].shape
        np.testing.assert_array_equal(array, state[name].numpy())


def written(path, dtype, data):
    """A file as the format describes it, with one tensor of one axis."""
    count = len(data) // {"BF16": 2, "I64": 8, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1}[dtype]
    entry = {"dtype": dtype, "shape": [count], "data_offsets": [0, len(data)]}
    header = json.dumps({"__metadata__": {"by": "hand"}, "a": entry}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + data)
    return path


def test_bfloat16_is_read_as_float32(tmp_path):
    wanted = np.array([1.5, -2.0, 0.0, 2.0**-120], np.float32)
    path = written(tmp_path / "x", "BF16", (wanted.view(np.uint32) >> 16).astype("<u2").tobytes())
    state = nn.load_file(path)
    assert state["a"].dtype == np.float32
    np.testing.assert_array_equal(state["a"].numpy(), wanted)


def test_a_file_whose_numbers_no_tensor_can_hold_is_refused(tmp_path):
    # safetensors 0.4 does not know it at all
    with pytest.raises(StateDictError, match=r"'a' has dtype F8_E8M0|is no safetensors file"):
        nn.load_file(written(tmp_path / "x", "F8_E8M0", bytes(2)))
    with pytest.raises(ArgumentError, match="does not fit int32"):
        nn.load_file(written(tmp_path / "x", "I64", (2**40).to_bytes(8, "little")))


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "model.safetensors"
    nn.save_file({"a": ones(1)}, path)
    before = path.read_bytes()

    def full(*_):
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        nn.save_file({"a": zeros(1000)}, path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["model.safetensors"]


@pytest.mark.parametrize("content", [b"", b"hello, this is no model", b"\xff" * 100])
def test_a_file_that_is_no_safetensors_is_refused(tmp_path, content):
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(StateDictError, match=r"x\.safetensors is no safetensors file"):
        nn.load_file(path)


def test_a_truncated_file_is_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    nn.save_file({"a": ones(100)}, path)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(StateDictError, match="no safetensors file"):
        nn.load_file(path)
    with pytest.raises(FileNotFoundError):
        nn.load_file(tmp_path / "nothing")


def test_the_same_seed_gives_the_same_weights():
    manual_seed(3)
    first = nn.Linear(4, 5)
    manual_seed(3)
    second = nn.Linear(4, 5)
    third = nn.Linear(4, 5)
    np.testing.assert_array_equal(first.weight.numpy(), second.weight.numpy())
    assert (second.weight.numpy() != third.weight.numpy()).any()


def test_a_parameter_has_memory_of_its_own(device):
    data = ones(2, device=device)
    p = nn.Parameter(data)
    data.zero_()
    assert p.tolist() == [1, 1]
    assert repr(p).startswith("Parameter(Tensor([1., 1.]")


def test_a_parameter_that_a_step_holds_does_not_move():
    model = nn.Linear(1, 1)
    with borrow(model(ones((1, 1))).backward(), model.parameters()):
        with pytest.raises(BorrowError, match="'weight'"):
            model.weight._rebind(np.zeros((1, 1), np.float32), Device("cpu"))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copy_of_a_module_has_parameters_of_its_own(copied, device):
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU()).to(device)
    model.layers[0].bias.requires_grad = False
    model.again = model.layers[0].weight
    twin = copied(model)
    for p, q in zip(model.parameters(), twin.parameters(), strict=True):
        assert p is not q and p.id is not q.id and p.device is q.device
        assert p.requires_grad == q.requires_grad and p.tolist() == q.tolist()
    assert twin.again is twin.layers[0].weight
    twin.again.detach().zero_()
    assert model.again.numpy().any()


def test_buffers_of_integers_are_allowed_and_parameters_of_integers_are_not():
    module = nn.ReLU()
    module.register_buffer("count", tensor(0))
    assert module.state_dict()["count"].dtype == np.int32
    with pytest.raises(DTypeError):
        nn.Parameter(tensor(0))


def test_a_sequential_with_attributes_of_its_own_has_their_parameters_too() -> None:
    class Headed(nn.Sequential):
        def __init__(self) -> None:
            super().__init__(nn.Linear(2, 3), nn.ReLU())
            self.head = nn.Linear(3, 1, bias=False)
            self.scale = nn.Parameter(ones(1))

    names = {name for name, _ in Headed().named_parameters()}
    assert names == {"0.weight", "0.bias", "head.weight", "scale"}


def test_another_number_or_layer_in_a_module_makes_recorded_steps_stale() -> None:
    dropout, tied = nn.Dropout(0.5), nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    first, second = tied
    assert isinstance(first, nn.Linear)
    assert isinstance(second, nn.Linear)

    before = structure_version()
    dropout.p = 0.5
    second.weight = second.weight
    assert structure_version() == before
    dropout.p = 0.25
    after_p = structure_version()
    assert after_p != before
    second.weight = first.weight
    assert structure_version() != after_p


def test_attributes_of_a_module_may_be_anything_and_change_their_kind() -> None:
    class Odd(nn.Module):
        @property
        def rate(self) -> float:
            return self.rates["now"]

        @rate.setter
        def rate(self, value: float) -> None:
            self.rates = {"now": value}

    odd = Odd()
    odd.rate = 0.5
    odd.scale = np.ones(3)
    odd.scale = 1.0
    odd.scale = None
    odd.scale = np.float32(2.0)
    odd.scale = np.ones(2)
    assert (odd.rate, odd.parameters()) == (0.5, [])


def test_a_tensor_does_not_take_the_place_of_a_parameter() -> None:
    layer = nn.Linear(2, 2)
    with pytest.raises(ArgumentError, match=r"weight is a parameter.*copy_\(\)"):
        layer.weight = zeros((2, 2))
    with pytest.raises(ArgumentError, match="weight is a parameter"):
        layer.register_buffer("weight", zeros((2, 2)))
    layer.weight = nn.Parameter(zeros((2, 2)))
    layer.bias = None
    assert [name for name, _ in layer.named_parameters()] == ["weight"]


def test_a_parameter_that_a_loop_updates_with_an_operator_is_changed_in_place(device: str) -> None:
    layer = nn.Linear(2, 1, bias=False, device=device)
    weight = layer.weight
    before = weight.numpy()
    with pytest.raises(AutogradError, match="no_grad"):
        weight += 1.0
    with no_grad():
        for p in layer.parameters():
            p += 2.0
            p *= 4.0
            p -= tensor([[1.0, 2.0]], device=device)
            p /= 2.0
    assert layer.weight is weight
    np.testing.assert_allclose(
        weight.numpy(), ((before + 2) * 4 - np.array([[1, 2]])) / 2, rtol=1e-6
    )


def test_a_buffer_is_a_tensor() -> None:
    with pytest.raises(DTypeError, match="'mean' is a tensor, not a ndarray"):
        nn.Module().register_buffer("mean", np.zeros(2))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"a": np.ones(3)}, "'a' is a ndarray"),
        ({"__metadata__": ones(3)}, "the format reserves it"),
        ({1: ones(3)}, "1 is no name"),
        ({"a\udcff": ones(3)}, "is no name"),
    ],
)
def test_what_the_file_format_cannot_hold_is_refused_before_a_file_exists(
    tmp_path, state, message
) -> None:
    with pytest.raises(StateDictError, match=message):
        nn.save_file(state, tmp_path / "weights.safetensors")
    assert not list(tmp_path.iterdir())
