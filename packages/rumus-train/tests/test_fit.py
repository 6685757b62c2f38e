"""``fit`` against the same loop written out by hand, and where its callbacks run."""

import gc
import json
import weakref
from collections.abc import Mapping

import numpy as np
import pytest

from rumus import autograd, nn, tensor
from rumus.data import ArrayDataset, DataLoader, Padded
from rumus.optim import SGD, AdamW, WeightAverage, clip_grad_norm_
from rumus.optim.lr_scheduler import CosineAnnealingLR, ReduceLROnPlateau, WarmupCosine
from rumus.tensor import ArgumentError, AutogradError, ShapeError, Tensor
from rumus.train import EmptyEpochError, Event, Every, Progress, Run, Trainer, Validate

RNG = np.random.default_rng(3)
X = RNG.normal(size=(22, 5)).astype(np.float32)
Y = (X @ RNG.normal(size=(5, 1))).astype(np.float32)


def make(device: str = "cpu", dropout: float = 0.0) -> nn.Sequential:
    tensor.manual_seed(5)
    layers = [nn.Linear(5, 8), nn.ReLU(), nn.Dropout(dropout), nn.Linear(8, 1)]
    return nn.Sequential(*layers).to(device)


def loader(batch_size: int = 4, **options: object) -> DataLoader:
    return DataLoader(ArrayDataset(X, Y), batch_size, shuffle=True, seed=1, **options)


def weights(model: nn.Module) -> list[np.ndarray]:
    return [p.numpy().copy() for p in model.parameters()]


def same(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


class Log:
    """Writes down the events."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int, int, int]] = []

    def __getattr__(self, name: str) -> object:
        if not name.startswith("on_"):
            raise AttributeError(name)
        return lambda run: self.seen.append(
            (name[3:], run.progress.step, run.progress.epoch, run.progress.batch)
        )

    def __dir__(self) -> list[str]:
        return [f"on_{event.value}" for event in Event]


@pytest.mark.parametrize("capture", [False, "auto"])
def test_fit_has_the_bits_of_the_loop_written_by_hand(device: str, capture: object) -> None:
    by_hand = make(device, dropout=0.2)
    optimizer = AdamW(by_hand.named_parameters(), lr=0.01)
    trainer = Trainer(optimizer)
    schedule = CosineAnnealingLR(0.01, t_max=3)
    batches = loader(device=device)
    for _ in range(3):
        optimizer.set_lr(schedule.get_lr())
        for batch in batches:
            trainer.train_step_with(
                lambda grads, params: clip_grad_norm_(grads, params, 0.5),
                lambda x, y: nn.mse_loss(by_hand(x), y),
                batch.input,
                batch.target,
            )
        schedule.step()
    model = make(device, dropout=0.2)
    run = Trainer(AdamW(model.named_parameters(), lr=0.01), capture=capture).fit(
        model,
        loader(device=device),
        nn.mse_loss,
        epochs=3,
        clip=0.5,
        schedule=CosineAnnealingLR(0.01, t_max=3),
    )
    assert run.progress == Progress(step=18, epoch=3, batch=0, samples=66)
    assert same(weights(model), weights(by_hand))


def test_batches_go_to_where_the_model_is() -> None:
    model = make()
    Trainer(SGD(model.parameters(), 0.1)).fit(model, loader(), nn.mse_loss, steps=2)


def test_the_loss_of_an_epoch_weighs_samples() -> None:
    model = make()
    values = []

    def loss(output: Tensor, target: Tensor) -> Tensor:
        value = nn.mse_loss(output, target)
        values.append((value.item(), output.shape[0]))
        return value

    run = Trainer(SGD(model.parameters(), 0.0)).fit(model, loader(), loss, epochs=1)
    expected = sum(v * n for v, n in values) / sum(n for _, n in values)
    assert run.metrics["loss"] == pytest.approx(expected, rel=1e-6)
    assert values[-1][1] == 2


@pytest.mark.parametrize("batch_size", [4, 3])
def test_an_accumulated_step_is_that_of_one_batch_of_all_samples(
    device: str, batch_size: int
) -> None:
    # 22 samples: the last batch and the last window are shorter
    small, large = make(device), make(device)
    Trainer(SGD(small.parameters(), 0.05)).fit(
        small, loader(batch_size, device=device), nn.mse_loss, epochs=2, accumulate=3
    )
    Trainer(SGD(large.parameters(), 0.05)).fit(
        large, loader(3 * batch_size, device=device), nn.mse_loss, epochs=2
    )
    for a, b in zip(weights(small), weights(large), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6)


def test_with_accumulation_an_optimizer_gets_one_loss_a_batch() -> None:
    model = make()

    def step(run: Run, batch: object) -> Mapping[str, Tensor]:
        for _ in range(2):
            loss = nn.mse_loss(model(batch.input), batch.target)
            run.minimize(loss)
        return {"loss": loss}

    Trainer(SGD(model.parameters(), 0.1)).fit(model, loader(), step=step, steps=2)
    with pytest.raises(ArgumentError, match="add the losses"):
        Trainer(SGD(model.parameters(), 0.1)).fit(model, loader(), step=step, steps=2, accumulate=2)


def test_means_of_float16_do_not_overflow() -> None:
    model = make()

    def step(run: Run, batch: object) -> Mapping[str, Tensor]:
        loss = nn.mse_loss(model(batch.input), batch.target)
        run.minimize(loss)
        return {"loss": loss, "large": tensor.tensor(60000.0, dtype="float16")}

    run = Trainer(SGD(model.parameters(), 0.1)).fit(model, loader(), step=step, epochs=1)
    assert run.metrics["large"] == 60000.0


def test_the_events_come_in_the_order_of_the_enumeration() -> None:
    model, log = make(), Log()
    run = Trainer(SGD(model.parameters(), 0.1)).fit(
        model,
        loader(8),
        nn.mse_loss,
        epochs=2,
        accumulate=2,
        validate=Validate(loader(8), every=Every(epochs=2)),
        callbacks=[log],
    )
    epoch = [
        ("epoch_start", 0, 0, 0),
        ("step_start", 0, 0, 0),
        ("step_end", 1, 0, 2),
        ("step_start", 1, 0, 2),
        ("step_end", 2, 0, 3),
    ]
    later = [(name, step + 2, e + 1, batch) for name, step, e, batch in epoch]
    assert log.seen == [
        ("fit_start", 0, 0, 0),
        *epoch,
        ("epoch_end", 2, 0, 3),
        *later,
        ("validation_start", 4, 1, 3),
        ("validation_end", 4, 1, 3),
        ("epoch_end", 4, 1, 3),
        ("fit_end", 4, 2, 0),
    ]
    assert set(run.metrics) == {"loss", "val_loss"}


def test_a_schedule_is_advanced_by_what_it_counts() -> None:
    model = make()
    rates: list[float] = []

    class Rates:
        def on_step_start(self, run: Run) -> None:
            rates.append(run.rates.get()["optimizer"])

    expected = WarmupCosine(0.1, warmup_steps=4, total_steps=12)
    Trainer(SGD(model.parameters(), 0.1)).fit(
        model,
        loader(),
        nn.mse_loss,
        epochs=2,
        schedule=WarmupCosine(0.1, warmup_steps=4, total_steps=12),
        callbacks=[Rates()],
    )
    assert rates == [expected.lr_at(t) for t in range(12)]
    rates.clear()
    by_epoch = CosineAnnealingLR(0.1, t_max=2)
    Trainer(SGD(model.parameters(), 0.1)).fit(
        model, loader(), nn.mse_loss, epochs=2, schedule=by_epoch, callbacks=[Rates()]
    )
    assert rates == [0.1] * 6 + [CosineAnnealingLR(0.1, t_max=2).lr_at(1)] * 6


def test_at_an_epochs_end_progress_and_rates_are_still_those_of_the_epoch() -> None:
    model = make()
    seen: list[tuple[int, int, float]] = []

    class Ends:
        def on_epoch_end(self, run: Run) -> None:
            seen.append((run.progress.epoch, run.progress.batch, run.rates.get()["optimizer"]))

    schedule = CosineAnnealingLR(0.1, t_max=2)
    Trainer(SGD(model.parameters(), 0.1)).fit(
        model, loader(), nn.mse_loss, epochs=2, schedule=schedule, callbacks=[Ends()]
    )
    assert seen == [(0, 6, schedule.lr_at(0)), (1, 6, schedule.lr_at(1))]


def test_a_schedule_that_follows_a_metric_takes_the_loss_of_the_validation() -> None:
    model = make()
    schedule = ReduceLROnPlateau(0.0, patience=0)
    schedule.set_initial_lr(1e-12)
    plateau = ReduceLROnPlateau(1e-3, patience=0, threshold=10.0)
    Trainer(SGD(model.parameters(), 1e-12)).fit(
        model, loader(), nn.mse_loss, epochs=3, schedule=plateau, validate=loader()
    )
    assert plateau.get_lr() == pytest.approx(1e-5)


def test_a_gan_goes_through_a_step_with_two_optimizers(device: str) -> None:
    tensor.manual_seed(1)

    class Gan(nn.Module):
        def __init__(self) -> None:
            self.g, self.d = nn.Linear(2, 5), nn.Linear(5, 1)

    model = Gan().to(device)
    optimizers = {"d": SGD(model.d.parameters(), 0.1), "g": SGD(model.g.parameters(), 0.1)}

    def step(run: Run, batch: object) -> Mapping[str, Tensor]:
        real = batch.input
        noise = tensor.randn((real.shape[0], 2), device=real.device)
        fake = model.g(noise)
        d_loss = (1 - model.d(real)).relu().mean() + (1 + model.d(fake.detach())).relu().mean()
        run.minimize(d_loss, "d")
        g_loss = -model.d(fake).mean()
        run.minimize(g_loss, "g")
        return {"d_loss": d_loss, "g_loss": g_loss}

    before = weights(model)
    run = Trainer(optimizers).fit(model, loader(device=device), step=step, epochs=2)
    assert set(run.metrics) == {"d_loss", "g_loss"}
    assert all(
        not np.array_equal(a, b) for a, b in zip(before[:2], weights(model)[:2], strict=True)
    )
    assert not np.array_equal(before[2], weights(model)[2])


def test_a_gradient_penalty_goes_through_a_step(device: str) -> None:
    model = make(device)
    optimizer = SGD(model.parameters(), 0.1)

    def step(run: Run, batch: object) -> Mapping[str, Tensor]:
        x = autograd.leaf(batch.input)
        out = model(x)
        (slope,) = autograd.grad(out.sum(), x, create_graph=True)
        penalty = ((slope * slope).sum() - 1.0) ** 2
        loss = nn.mse_loss(out, batch.target) + 0.001 * penalty
        run.minimize(loss)
        return {"loss": loss, "penalty": penalty, "slope": slope}

    run = Trainer(optimizer).fit(model, loader(device=device), step=step, epochs=2)
    assert set(run.metrics) == {"loss", "penalty"}
    assert run.outputs["slope"].shape == (2, 5)


def test_frozen_layers_stay_as_they_are(device: str) -> None:
    model = make(device)
    first = next(iter(model.children()))
    first.requires_grad_(False)
    before = weights(model)
    Trainer(SGD(model.parameters(), 0.1)).fit(model, loader(device=device), nn.mse_loss, epochs=1)
    after = weights(model)
    assert same(before[:2], after[:2])
    assert not same(before[2:], after[2:])


def test_averaged_weights_are_used_in_the_validation_if_asked() -> None:
    def last(averaged: bool) -> tuple[float, nn.Module, WeightAverage]:
        model = make()
        average = WeightAverage(model.parameters(), decay=0.9)
        run = Trainer(SGD(model.parameters(), 0.1)).fit(
            model,
            loader(),
            nn.mse_loss,
            epochs=1,
            average=average,
            validate=Validate(loader(), averaged=averaged),
        )
        return run.metrics["val_loss"], model, average

    plain, model, average = last(False)
    averaged, _, _ = last(True)
    trainer = Trainer(SGD(model.parameters(), 0.1))
    assert plain == trainer.evaluate(model, loader(), nn.mse_loss)["loss"]
    with average.applied():
        assert averaged == trainer.evaluate(model, loader(), nn.mse_loss)["loss"]


def test_evaluate_weighs_samples_and_leaves_modes_as_they_were(device: str) -> None:
    model = make(device, dropout=0.5)
    list(model.children())[3].eval()
    trainer = Trainer(SGD(model.parameters(), 0.1))
    found = trainer.evaluate(model, loader(device=device), nn.mse_loss)
    assert [m.training for m in model.modules()] == [True, True, True, True, False]
    model.eval()
    output = model(tensor.tensor(X, device=device)).numpy()
    assert found["loss"] == pytest.approx(float(((output - Y) ** 2).mean()), rel=1e-5)


def test_predict_streams_and_gathers_when_asked(device: str) -> None:
    model = make(device)
    trainer = Trainer(SGD(model.parameters(), 0.1))
    batches = DataLoader(ArrayDataset(X, Y), 4, device=device)
    model.eval()
    expected = model(tensor.tensor(X, device=device)).numpy()
    model.train()
    stream = trainer.predict(model, batches)
    assert next(stream).shape == (4, 1)
    assert model.training
    kept = trainer.predict(model, batches, keep=True)
    np.testing.assert_allclose(kept.numpy(), expected, rtol=1e-6)
    assert str(kept.device) == "cpu"
    shuffled = DataLoader(ArrayDataset(X, Y), 4, shuffle=True, device=device)
    with pytest.warns(RuntimeWarning, match="not in the data set's order"):
        trainer.predict(model, shuffled, keep=True)


def test_a_run_of_steps_ends_within_an_epoch_and_one_at_its_end_validates() -> None:
    model = make()
    run = Trainer(SGD(model.parameters(), 0.1)).fit(
        model, loader(), nn.mse_loss, steps=8, validate=loader()
    )
    assert run.progress == Progress(step=8, epoch=1, batch=2, samples=30)
    run = Trainer(SGD(model.parameters(), 0.1)).fit(
        model, loader(), nn.mse_loss, steps=6, validate=loader()
    )
    assert run.progress == Progress(step=6, epoch=1, batch=0, samples=22)
    assert "val_loss" in run.metrics


def test_a_plain_list_of_batches_is_a_loader() -> None:
    model = make()
    x, y = tensor.tensor(X), tensor.tensor(Y)
    run = Trainer(SGD(model.parameters(), 0.1)).fit(model, [(x, y)], nn.mse_loss, epochs=2)
    assert run.progress.step == 2


def test_batches_of_any_structure_go_through_a_step(device: str) -> None:
    model = make(device)
    batches = [
        {"x": (tensor.tensor(X[k : k + 6]),), "y": tensor.tensor(Y[k : k + 6]), "id": str(k)}
        for k in range(0, 22, 6)
    ]

    def step(run: Run, batch: dict[str, object]) -> Mapping[str, Tensor]:
        loss = nn.mse_loss(model(batch["x"][0]), batch["y"])
        return {"loss": loss, "norm": run.minimize(loss)}

    run = Trainer(SGD(model.parameters(), 0.1)).fit(
        model,
        batches,
        step=step,
        epochs=2,
        clip=1.0,
        validate=Validate(
            batches,
            forward=lambda batch: (model(batch["x"][0]), batch["y"]),
            loss=nn.mse_loss,
        ),
    )
    assert set(run.metrics) == {"loss", "norm", "val_loss"}
    assert run.progress.samples == 44
    output = model(tensor.tensor(X, device=device)).numpy()
    expected = float(((output - Y) ** 2).mean())
    assert run.metrics["val_loss"] == pytest.approx(expected, rel=1e-5)


def test_a_callback_may_stop_the_run() -> None:
    model = make()

    class Stop:
        def on_step_end(self, run: Run) -> None:
            if run.progress.step == 3:
                run.stop("enough")

    run = Trainer(SGD(model.parameters(), 0.1)).fit(
        model, loader(), nn.mse_loss, epochs=9, callbacks=[Stop()]
    )
    assert (run.stopped, run.progress.step) == ("enough", 3)


@pytest.mark.parametrize("capture", [False, True])
def test_a_run_that_is_dropped_gives_its_memory_back_at_once(device: str, capture: bool) -> None:
    model = make(device)
    batches = loader(device=device)
    trainer = Trainer(SGD(model.parameters(), 0.1), capture=capture)
    gc.collect()
    gc.disable()
    try:
        run = trainer.fit(model, batches, nn.mse_loss, epochs=3, validate=loader(device=device))
        seen = weakref.ref(run)
        del run
        assert seen() is None
    finally:
        gc.enable()


def test_progress_is_json_and_comes_back() -> None:
    progress = Progress(1, 2, 3, 4)
    assert Progress.from_state(json.loads(json.dumps(progress.state_dict()))) == progress


def bad(**changed: object) -> None:
    model = make()
    options = {"loader": loader(), "loss": nn.mse_loss, "epochs": 1} | changed
    data = options.pop("loader")
    Trainer(SGD(model.parameters(), 0.1)).fit(options.pop("model", model), data, **options)


@pytest.mark.parametrize(
    ("changed", "error", "words"),
    [
        ({"loader": []}, EmptyEpochError, "empty"),
        ({"loader": iter([])}, ArgumentError, "iterated once"),
        ({"loader": 3}, ArgumentError, "DataLoader"),
        ({"loss": lambda o, t: o - t}, ShapeError, "scalar"),
        ({"loss": lambda o, t: 1.0}, ArgumentError, "Tensor"),
        ({"loss": lambda o, t: (t * 1.0).mean()}, AutogradError, "grad"),
        ({"loader": [Padded(tensor.ones((2, 5)), {})]}, ArgumentError, "a Padded came"),
        ({"loss": None}, ArgumentError, "one of them"),
        ({"epochs": None}, ArgumentError, "number of epochs"),
        ({"epochs": -1}, ArgumentError, "from 0"),
        ({"accumulate": 0}, ArgumentError, "from 1"),
        ({"clip": 0.0}, ArgumentError, "above 0"),
        ({"schedule": 0.1}, ArgumentError, "schedule"),
        ({"callbacks": [object()]}, ArgumentError, "on_step_end"),
        ({"model": nn.Linear(5, 1)}, ArgumentError, "no parameter"),
        ({"metrics": [object()]}, ArgumentError, "validate"),
        ({"loader": [{"x": tensor.ones((2, 5))}]}, ArgumentError, "step="),
        ({"loss": None, "step": lambda run, batch: 3}, ArgumentError, "by name"),
    ],
)
def test_mistakes_say_what_was_expected(
    changed: dict[str, object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        bad(**changed)


def test_a_callback_with_a_method_of_no_event_is_refused() -> None:
    class Typo:
        def on_step_end(self, run: Run) -> None: ...

        def on_epoch_done(self, run: Run) -> None: ...

    with pytest.raises(ArgumentError, match="on_epoch_done"):
        bad(callbacks=[Typo()])


@pytest.mark.parametrize("given", [{}, {"steps": 1, "epochs": 1}, {"steps": 0}, {"seconds": -1.0}])
def test_every_takes_one_number_above_zero(given: dict[str, float]) -> None:
    with pytest.raises(ArgumentError):
        Every(**given)


@pytest.mark.gpu
def test_a_step_of_ones_own_says_once_that_it_is_not_captured() -> None:
    model = make("gpu")

    def step(run: Run, batch: object) -> Mapping[str, Tensor]:
        loss = nn.mse_loss(model(batch.input), batch.target)
        run.minimize(loss)
        return {"loss": loss}

    with pytest.warns(RuntimeWarning, match="capture=True") as said:
        Trainer(SGD(model.parameters(), 0.1), capture="auto").fit(
            model, loader(device="gpu"), step=step, epochs=1
        )
    assert [w.filename for w in said] == [__file__]


def test_a_step_that_updates_nothing_is_told_of_once() -> None:
    model = make("cpu")

    def step(run: Run, batch: object) -> Mapping[str, Tensor]:
        return {"loss": nn.mse_loss(model(batch.input), batch.target)}

    with pytest.warns(RuntimeWarning, match=r"run\.minimize\(loss\)") as said:
        Trainer(SGD(model.parameters(), 0.1)).fit(model, loader(), step=step, epochs=3)
    assert [w.filename for w in said] == [__file__]


@pytest.mark.gpu
def test_a_captured_step_of_ones_own_has_the_bits_of_the_uncaptured() -> None:
    results = []
    for capture in (False, True):
        model = make("gpu", dropout=0.3)

        def step(run: Run, batch: object) -> Mapping[str, Tensor]:
            loss = nn.mse_loss(run.model(batch.input), batch.target)
            run.minimize(loss)
            return {"loss": loss}

        run = Trainer(SGD(model.parameters(), 0.1), capture=capture).fit(
            model, loader(device="gpu"), step=step, epochs=3
        )
        results.append((weights(model), run.metrics["loss"]))
    assert same(results[0][0], results[1][0])
    assert results[0][1] == results[1][1]


@pytest.mark.gpu
@pytest.mark.parametrize("accumulate", [2, 3, 5])
def test_captured_accumulation_has_the_bits_of_the_uncaptured(accumulate: int) -> None:
    def fit(capture: bool) -> tuple[list[np.ndarray], float]:
        model = make("gpu", dropout=0.3)
        run = Trainer(AdamW(model.named_parameters(), lr=0.01), capture=capture).fit(
            model, loader(3, device="gpu"), loss, epochs=8, accumulate=accumulate, clip=1.0
        )
        return weights(model), run.metrics["loss"]

    def loss(output: Tensor, target: Tensor) -> Tensor:
        calls.append(1)
        return nn.mse_loss(output, target)

    calls: list[int] = []
    expected = fit(False)
    assert len(calls) == 8 * 8
    calls.clear()
    found = fit(True)
    # A recording for each number of halves that a batch completes; the last batch, of one sample
    # alone, is recorded when it comes again, and so is what comes first when nothing is settled.
    assert len(calls) <= 10
    assert same(found[0], expected[0])
    assert found[1] == expected[1]


def test_an_optimizer_of_parameters_and_a_step_is_enough() -> None:
    class SignDescent:
        def __init__(self, params: list[nn.Parameter]) -> None:
            self.params = params

        def step(self, grads: autograd.GradientStore) -> None:
            with tensor.no_grad():
                for p in self.params:
                    p.sub_(grads.pop(p).sign() * 0.01)

    model = make()
    run = Trainer(SignDescent(model.parameters())).fit(model, loader(), nn.mse_loss, epochs=20)
    assert run.metrics["loss"] < 0.5 * float((Y**2).mean())
