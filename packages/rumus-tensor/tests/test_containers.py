"""Modules that hold others, what is called around them, and what is said of them."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from rumus import nn
from rumus.autograd import no_grad
from rumus.tensor import (
    ArgumentError,
    AutogradError,
    IndexRangeError,
    StateDictError,
    Tensor,
    float16,
    ones,
    tensor,
    zeros,
)


def names(module):
    return [name for name, _ in module.named_parameters()]


def bare(*lengths):
    return [nn.Linear(n, n, bias=False) for n in lengths]


def test_a_sequential_grows_and_is_cut_like_a_list():
    model = nn.Sequential(*bare(1, 2))
    assert model.append(bare(3)[0]) is model and model.extend(bare(4, 5)) is model
    model.insert(0, nn.ReLU())
    assert names(model) == [f"{i}.weight" for i in range(1, 6)]
    part = model[2:4]
    assert isinstance(part, nn.Sequential) and names(part) == ["2.weight", "3.weight"]
    assert part[0] is model[2] and model[-1].in_features == 5
    assert isinstance(model.pop(0), nn.ReLU) and len(model) == 5
    del model[1:3]
    assert [layer.in_features for layer in model] == [1, 4, 5]
    model[0] = nn.Tanh()
    assert names(model) == ["1.weight", "2.weight"]
    with pytest.raises(IndexRangeError, match="3 modules, and no number 3"):
        model[3]
    with pytest.raises(IndexError):
        model[-4]
    with pytest.raises(ArgumentError, match="takes modules"):
        model.append(lambda x: x)


def test_a_sequential_of_a_dict_has_its_names():
    model = nn.Sequential({"first": bare(2)[0], "then": nn.ReLU(), "last": bare(2)[0]})
    assert names(model) == ["first.weight", "last.weight"]
    assert names(model[1:]) == ["last.weight"]
    model.append(bare(2)[0])
    assert names(model) == ["first.weight", "last.weight", "0.weight"]
    assert model(ones((1, 2))).shape == (1, 2)
    assert names(nn.Sequential(nn.Sequential({"a": bare(1)[0]}))) == ["0.a.weight"]
    with pytest.raises(ArgumentError, match=r"without a point, not 'a\.b'"):
        nn.Sequential({"a.b": nn.ReLU()})


def test_lists_and_dicts_of_modules_and_parameters_have_pytorchs_names():
    class Model(nn.Module):
        def __init__(self) -> None:
            self.blocks = nn.ModuleList(bare(2, 2))
            self.heads = nn.ModuleDict({"a": bare(2)[0]})
            self.scales = nn.ParameterList([ones(1), nn.Parameter(ones(2))])
            self.more = nn.ParameterDict({"shift": ones(3)})

    model = Model()
    model.blocks.append(bare(2)[0])
    model.heads["b"] = bare(2)[0]
    model.scales.append(ones(4))
    assert sorted(model.state_dict()) == [
        "blocks.0.weight",
        "blocks.1.weight",
        "blocks.2.weight",
        "heads.a.weight",
        "heads.b.weight",
        "more.shift",
        "scales.0",
        "scales.1",
        "scales.2",
    ]
    assert len(model.blocks[1:]) == 2 and "a" in model.heads and list(model.heads) == ["a", "b"]
    assert model.count_parameters() == 5 * 4 + 1 + 2 + 4 + 3
    model.heads.pop("a").weight.requires_grad = False
    assert list(model.heads.keys()) == ["b"]
    del model.more["shift"]
    assert len(model.more) == 0
    with pytest.raises(ArgumentError, match="ModuleDict takes modules; 'c' is a int"):
        model.heads["c"] = 3
    with pytest.raises(ArgumentError, match="ParameterList takes tensors, not a float"):
        model.scales.append(1.0)


def test_modules_print_as_pytorchs_do():
    assert repr(nn.ModuleList([nn.ReLU(), nn.ReLU(), nn.Tanh()])) == (
        "ModuleList(\n  (0-1): 2 x ReLU()\n  (2): Tanh()\n)"
    )
    assert repr(nn.BatchNorm2d(3)) == (
        "BatchNorm2d(3, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)"
    )
    assert repr(nn.GroupNorm(2, 4)) == "GroupNorm(2, 4, eps=1e-05, affine=True, bias=True)"
    assert repr(nn.LayerNorm(8)) == "LayerNorm((8,), eps=1e-05, elementwise_affine=True, bias=True)"


def test_modules_are_found_by_path_and_visited_from_the_inside():
    model = nn.Sequential(nn.Sequential(nn.ReLU(), nn.Tanh()), nn.ReLU())
    assert model.get_submodule("0.1") is model[0][1] and model.get_submodule("") is model
    with pytest.raises(ArgumentError, match=r"no module '0\.7', but 0, 0\.0, 0\.1, 1"):
        model.get_submodule("0.7")
    seen = []
    assert model.apply(seen.append) is model
    assert seen[-1] is model and seen.index(model[0][1]) < seen.index(model[0])
    assert [name for name, _ in model.named_children()] == ["0", "1"]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_containers_and_buffers_are_copied(copied, device):
    model = nn.Sequential({"a": nn.BatchNorm1d(2), "b": nn.ModuleList(bare(2))}).to(device)
    twin = copied(model)
    assert names(twin) == names(model)
    x = tensor(np.arange(8, dtype=np.float32).reshape(4, 2), device=device)
    np.testing.assert_array_equal(twin[0](x).numpy(), model[0](x).numpy())
    assert twin[0].running_mean is not model[0].running_mean


def test_buffers_that_are_not_persistent_move_and_are_not_saved(device):
    module = nn.Sequential()
    module.register_buffer("mask", ones(2), persistent=False)
    module.register_buffer("mean", ones(2))
    module.to(device)
    assert module.mask.device.kind == device and len(module.buffers()) == 2
    assert list(module.state_dict()) == ["mean"]
    module.register_buffer("mask", ones(2))
    assert sorted(module.state_dict()) == ["mask", "mean"]


def test_hooks_see_and_change_what_goes_in_and_out():
    layer, seen = nn.ReLU(), []
    before = layer.register_forward_pre_hook(lambda m, args: (args[0] * 2.0,))
    after = layer.register_forward_hook(lambda m, args, y: seen.append((m, args, y)))
    assert layer(tensor([1.0, -1.0])).tolist() == [2.0, 0.0]
    assert seen[0][0] is layer and seen[0][1][0].tolist() == [2.0, -2.0]
    before.remove()
    before.remove()
    assert layer(tensor([1.0])).tolist() == [1.0] and len(seen) == 2
    after.remove()
    with layer.register_forward_hook(lambda m, args, y: y + 1.0):
        assert layer(tensor([1.0])).tolist() == [2.0]
    assert layer(tensor([1.0])).tolist() == [1.0] and len(seen) == 2


def test_backward_hooks_see_and_change_gradients(device):
    layer, seen = nn.Linear(3, 2, bias=False, device=device), []
    x = nn.Parameter(ones((4, 3), device=device))

    def note(module, grad_input, grad_output):
        seen.append((grad_input, grad_output))

    with layer.register_full_backward_hook(note):
        grads = layer(x).sum().backward()
        layer(ones((4, 3), device=device)).sum().backward()
    (into,), (out,) = seen[0]
    assert out.tolist() == [[1.0, 1.0]] * 4
    np.testing.assert_array_equal(into.numpy(), grads.get(x.id).numpy())
    assert seen[1][0] == (None,) and seen[1][1][0].shape == (4, 2)
    with layer.register_full_backward_hook(lambda m, i, o: (i[0] * 0.0,)):
        grads = layer(x).sum().backward()
    assert not grads.get(x.id).numpy().any() and grads.get(layer.weight.id).numpy().any()
    assert layer(x).sum().backward().get(x.id).numpy().any()


def test_backward_hooks_of_several_inputs_wait_for_all_of_them():
    class Product(nn.Module):
        def forward(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
            return a * b, a + b

    module, seen = Product(), []
    a, b = nn.Parameter(tensor([2.0])), nn.Parameter(tensor([3.0]))
    handle = module.register_full_backward_hook(lambda m, i, o: seen.append((i, o)))
    product, total = module(a, b)
    (product + total * 2.0).backward()
    ((into_a, into_b), (of_product, of_total)) = seen[0]
    assert (into_a.tolist(), into_b.tolist()) == ([5.0], [4.0])
    assert (of_product.tolist(), of_total.tolist()) == ([1.0], [2.0])
    handle.remove()
    module.register_full_backward_hook(lambda m, i, o: i)
    with pytest.raises(AutogradError, match="for one input alone"):
        module(a, b)[0].backward()


@pytest.mark.gpu
def test_a_captured_step_replays_what_hooks_computed_and_is_recorded_anew_without_them():
    from rumus import gpu

    layer, calls = nn.ReLU(), []

    def doubled(module, args, y):
        calls.append(1)
        return y * 2.0

    handle = layer.register_forward_hook(doubled)
    step = gpu.capture(lambda x: layer(x))
    for value in (1.0, 2.0, 3.0):
        assert step(tensor([value], device="gpu")).item() == 2 * value
    assert len(calls) == 1
    handle.remove()
    assert step(tensor([4.0], device="gpu")).item() == 4.0


def test_a_summary_counts_layers_parameters_work_and_memory(device):
    model = nn.Sequential(
        nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 2, bias=False)
    ).to(device)
    model[0].weight.requires_grad = False
    model[2].eval()
    table = nn.summary(model, ones((16, 4), device=device))
    assert [row.output for row in table.rows] == [(16, 8)] * 3 + [(16, 2)]
    assert [row.parameters for row in table.rows] == [40, 16, 0, 16]
    assert [row.multiply_adds for row in table.rows] == [16 * 32, 0, 0, 16 * 16]
    assert (table.parameters, table.trainable) == (72, 40)
    assert table.nbytes == 4 * (3 * 128 + 32) and table.multiply_adds == 768
    assert model.training and not model[2].training
    assert model[1].num_batches_tracked.item() == 0
    assert "32 parameters are frozen" in str(table)
    assert (table.parameter_nbytes, table.gradient_nbytes) == (4 * 72, 4 * 40)
    assert table.step_nbytes(states=1) == 4 * 72 + 2 * 4 * 40 + table.nbytes
    assert "weights 288 B, gradients 160 B, states 320 B, results 1.6 KB" in str(table)


def test_a_summary_counts_the_float32_values_and_states_of_float16_parameters():
    model = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 2)).to(float16)
    model[0].weight.requires_grad = False
    table = nn.summary(model, ones((16, 4), dtype=float16))
    trained = 8 + 18
    assert table.parameter_nbytes == 2 * (32 + trained) and table.nbytes == 2 * 16 * 10
    held = 2 * (32 + trained) + 2 * trained + 4 * trained  # weights, gradients, float32 weights
    assert table.step_nbytes(states=2) == held + 2 * 4 * trained + table.nbytes
    assert table.step_nbytes(states=0) == held + table.nbytes
    assert "gradients 52 B, float32 values 104 B, states 208 B, results 320 B" in str(table)


@pytest.mark.parametrize("batch_first", [True, False])
def test_a_summary_knows_what_attention_has_beside_its_layers(batch_first):
    width, hidden, samples, length = 16, 24, 3, 5
    model = nn.TransformerEncoderLayer(width, 4, hidden, batch_first=batch_first)
    shape = (samples, length, width) if batch_first else (length, samples, width)
    table = nn.summary(model, ones(shape))
    tokens = samples * length
    assert sum(row.parameters for row in table.rows) == table.parameters
    products = tokens * (4 * width * width + 2 * width * hidden) + 2 * tokens * length * width
    assert table.multiply_adds == products
    (row,) = [row for row in table.rows if row.name.endswith("(MultiheadAttention)")]
    assert row.nbytes == 4 * 3 * tokens * width


def test_a_state_of_tied_weights_needs_one_of_their_names():
    class Tied(nn.Module):
        def __init__(self) -> None:
            self.embedding = nn.Linear(3, 2, bias=False)
            self.head = nn.Linear(3, 2, bias=False)
            self.head.weight = self.embedding.weight
            self.again = self.head

    model = Tied()
    assert sorted(model.state_dict()) == ["again.weight", "embedding.weight", "head.weight"]
    report = model.load_state_dict({"head.weight": ones((2, 3))})
    assert report == nn.LoadReport((), (), ())
    assert model.embedding.weight.numpy().all()
    with pytest.raises(StateDictError, match=r"missing 'embedding\.weight'"):
        model.load_state_dict({})


def test_floats_become_those_of_the_module_when_loaded(device):
    model = nn.Linear(2, 1, bias=False).to(device)
    model.load_state_dict({"weight": tensor([[0.1, 2.0]], np.float16)})
    np.testing.assert_array_equal(model.weight.numpy(), np.float16([[0.1, 2.0]]).astype("f4"))
    model.to(np.float16).load_state_dict({"weight": tensor([[1e6, 0.1]])})
    np.testing.assert_array_equal(model.weight.numpy(), np.array([[np.inf, 0.1]], np.float16))
    with no_grad(), pytest.raises(StateDictError, match="int32 of shape"):
        model.load_state_dict({"weight": zeros((1, 2), dtype=np.int32)})
