"""A small GPT learns to write, character by character, what Python's help says.

    python3 examples/char_gpt.py
    python3 examples/char_gpt.py --device gpu --width 384 --layers 6 --steps 3000

The text is that of ``help()``'s topics, half a million characters that come with Python (module
``pydoc_data.topics``); the last tenth is held out. It prints samples while it learns.
"""

# /// script
# dependencies = ["matplotlib>=3.9"]
# ///

from pydoc_data.topics import topics

import numpy as np
from _shared import command_line, pyplot, read, save

from rumus import nn
from rumus.data import ArrayDataset, CharacterTokenizer, DataLoader
from rumus.optim import AdamW, clip_grad_norm_, no_decay_groups
from rumus.optim.lr_scheduler import WarmupCosine
from rumus.tensor import Device, arange, no_grad
from rumus.train import Trainer

CONTEXT, BATCH = 96, 32
LEARNING_RATE = 3e-3


class GPT(nn.Module):
    """Characters and their places, a stack of causal layers, and the next character."""

    def __init__(self, characters: int, width: int, layers: int) -> None:
        self.characters = nn.Embedding(characters, width)
        self.places = nn.Embedding(CONTEXT, width)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, width // 32, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True
            )
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, characters, bias=False)
        for table in (self.characters, self.places):
            nn.init.normal_(table.weight, std=0.02)

    def forward(self, ids, cache=None):
        """Logits of the character after each, of shape (batch, length, characters)."""
        length = ids.shape[1]
        places = cache.positions(length) if cache else arange(length, device=ids.device)
        x = self.characters(ids) + self.places(places)
        for layer in self.layers:
            x = layer(x, is_causal=True, cache=cache)
        return self.head(self.norm(x))

    def loss(self, ids, following):
        """Nats a character."""
        logits = self(ids)
        return nn.cross_entropy_loss(logits.reshape(-1, logits.shape[-1]), following.reshape(-1))


def windows(ids: np.ndarray) -> ArrayDataset:
    """Pieces of the text, each with the same piece one character later."""
    pieces = np.lib.stride_tricks.sliding_window_view(ids, CONTEXT + 1)[:: CONTEXT // 8]
    return ArrayDataset(pieces[:, :-1], pieces[:, 1:])


def held_out_loss(model: GPT, data: ArrayDataset, device: Device) -> float:
    """Nats a character of text that it has not seen."""
    with no_grad():
        losses = [
            model.loss(*batch).item()
            for batch in DataLoader(data, BATCH, drop_last=True, device=device)
        ]
    return float(np.mean(losses))


def written(model: GPT, tokens: CharacterTokenizer, start: str, length: int) -> str:
    """What the model writes after a start, each character drawn as likely as it holds it."""
    ids = nn.generate(model, tokens.encode(start), length, CONTEXT, temperature=0.8)
    return start + tokens.decode(ids)


def main() -> None:
    """Train, write a sample five times on the way, and draw the curve of the loss."""
    parser = command_line("char_gpt", __doc__, "steps", full=1000, small=4)
    parser.add_argument("--width", type=int, default=96, help="a multiple of 32")
    parser.add_argument("--layers", type=int, default=3)
    options = read(parser)
    text = "\n\n".join(topics.values())[: 20_000 if options.small else None]
    tokens = CharacterTokenizer.train(text)
    ids = np.array(tokens.encode(text), np.int32)
    cut = len(ids) * 9 // 10
    train, test = windows(ids[:cut]), windows(ids[cut:])

    device = options.device
    config = {"characters": len(tokens), "width": options.width, "layers": options.layers}
    model = GPT(**config).to(device)
    print(f"{len(text):,} characters, {model.count_parameters():,} parameters")
    groups = no_decay_groups(model, weight_decay=0.1)
    trainer = Trainer(AdamW(groups, lr=LEARNING_RATE, betas=(0.9, 0.95)), capture=True)
    schedule = WarmupCosine(LEARNING_RATE, options.steps // 10, options.steps, LEARNING_RATE / 10)
    loader = DataLoader(train, BATCH, shuffle=True, drop_last=True, device=device)

    step, losses, checks = 0, [], []
    while step < options.steps:
        for batch in loader:
            trainer.optimizer.set_lr(schedule.get_lr())
            loss = trainer.train_step_with(
                lambda grads, params: clip_grad_norm_(grads, params, 1.0),
                model.loss,
                batch.input,
                batch.target,
            )
            schedule.step()
            losses.append(loss)  # read at the end: reading waits for the device
            step += 1
            if step % max(1, options.steps // 5) == 0:
                checks.append((step, held_out_loss(model, test, device)))
                print(f"\n--- step {step}: {checks[-1][1]:.3f} nats a character, held out ---")
                length = 20 if options.small else 300
                print(written(model, tokens, "The ", length))
            if step == options.steps:
                break
    nn.save_model(model, options.out / "char_gpt.safetensors", config)
    tokens.save(options.out / "char_gpt.json")

    if (plt := pyplot()) is not None:
        figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
        axes.plot([loss.item() for loss in losses], linewidth=0.8, label="training")
        axes.plot(*zip(*checks, strict=True), "o-", label="held out")
        axes.set(xlabel="step", ylabel="nats a character", ylim=(0, None))
        axes.legend(frameon=False)
        axes.set_title(f"A GPT on Python's help: {checks[-1][1]:.3f} nats a character, held out")
        save(figure, options.out / "char_gpt.png")


if __name__ == "__main__":
    main()
