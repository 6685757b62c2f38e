"""The same models here and in PyTorch, with the names that let one take the other's weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from rumus import nn
from rumus.tensor import Tensor, no_grad


class Case(NamedTuple):
    """A model of each library, and what a batch of its training is."""

    ours: Callable[[], nn.Module]
    theirs: Callable[[Any], Any]
    """Given ``torch``."""
    shape: tuple[int, ...]
    classes: int
    ids: bool = False
    """Whether the inputs are class ids, too."""


def mlp(*sizes: int) -> Case:
    """Linear layers with ReLU between them, for a batch of 128."""
    return Case(
        lambda: our_mlp(sizes), lambda torch: their_mlp(torch, sizes), (128, sizes[0]), sizes[-1]
    )


def our_mlp(sizes: Sequence[int]) -> nn.Sequential:
    """Linear layers with ReLU between them."""
    layers: list[nn.Module] = []
    for wide, narrow in pairwise(sizes):
        layers += [nn.Linear(wide, narrow), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def their_mlp(torch: Any, sizes: Sequence[int]) -> Any:
    """The same in PyTorch."""
    layers: list[Any] = []
    for wide, narrow in pairwise(sizes):
        layers += [torch.nn.Linear(wide, narrow), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def cnn(batch: int, length: int = 28) -> Case:
    """Two convolutions of 3 x 3, max pooling, and two linear layers, for images of one channel."""
    wide = 64 * ((length - 4) // 2) ** 2

    def layers(library: Any) -> Any:
        return library.Sequential(
            library.Conv2d(1, 32, 3),
            library.ReLU(),
            library.Conv2d(32, 64, 3),
            library.ReLU(),
            library.MaxPool2d(2),
            library.Flatten(),
            library.Linear(wide, 128),
            library.ReLU(),
            library.Linear(128, 10),
        )

    return Case(lambda: layers(nn), lambda torch: layers(torch.nn), (batch, 1, length, length), 10)


def resnet18(batch: int, length: int, classes: int, width: int = 64) -> Case:
    """ResNet-18 (He et al., arXiv:1512.03385), under the names of torchvision's."""
    return Case(
        lambda: _resnet18(nn, width, classes),
        lambda torch: _resnet18(torch.nn, width, classes),
        (batch, 3, length, length),
        classes,
    )


def _resnet18(library: Any, width: int, classes: int) -> Any:
    class Basic(library.Module):  # type: ignore[misc]
        def __init__(self, narrow: int, wide: int, stride: int) -> None:
            super().__init__()
            self.conv1 = library.Conv2d(narrow, wide, 3, stride, 1, bias=False)
            self.bn1 = library.BatchNorm2d(wide)
            self.conv2 = library.Conv2d(wide, wide, 3, 1, 1, bias=False)
            self.bn2 = library.BatchNorm2d(wide)
            self.downsample = None
            if stride > 1 or narrow != wide:
                short = library.Conv2d(narrow, wide, 1, stride, bias=False)
                self.downsample = library.Sequential(short, library.BatchNorm2d(wide))

        def forward(self, x: Any) -> Any:
            y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
            return (y + (x if self.downsample is None else self.downsample(x))).relu()

    class ResNet18(library.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = library.Conv2d(3, width, 7, 2, 3, bias=False)
            self.bn1 = library.BatchNorm2d(width)
            self.maxpool = library.MaxPool2d(3, 2, 1)
            for number in range(4):
                wide, narrow = width << number, width << max(number - 1, 0)
                first = Basic(narrow, wide, 1 if number == 0 else 2)
                layer = library.Sequential(first, Basic(wide, wide, 1))
                setattr(self, f"layer{number + 1}", layer)
            self.avgpool = library.AdaptiveAvgPool2d(1)
            self.fc = library.Linear(8 * width, classes)

        def forward(self, x: Any) -> Any:
            x = self.maxpool(self.bn1(self.conv1(x)).relu())
            x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
            return self.fc(self.avgpool(x).flatten(1))

    return ResNet18()


class Residual(nn.Module):
    """``x + linear(silu(norm(x)))``."""

    def __init__(self, width: int) -> None:
        self.norm = nn.LayerNorm(width)
        self.linear = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Of any shape that ends in the width."""
        return x + self.linear(self.norm(x).silu())


class Block(nn.Module):
    """A transformer's block: self-attention and two linear layers, each behind a layer norm."""

    def __init__(self, width: int, heads: int) -> None:
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Of shape (batch, tokens, width)."""
        x = x + self.attention(self.norm1(x))
        return x + self.down(self.up(self.norm2(x)).gelu())

    def attention(self, x: Tensor) -> Tensor:
        """Every token looks at every other one."""
        batch, tokens, width = x.shape
        size = width // self.heads
        qkv = self.qkv(x).reshape((batch, tokens, 3, self.heads, size)).permute((2, 0, 3, 1, 4))
        weights = (qkv[0] @ qkv[1].transpose() * size**-0.5).softmax()
        return self.out((weights @ qkv[2]).permute((0, 2, 1, 3)).reshape((batch, tokens, width)))


class Head(nn.Module):
    """Scores of each token."""

    def __init__(self, width: int, classes: int) -> None:
        self.norm, self.linear = nn.LayerNorm(width), nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Of shape (batch, tokens, width); the result has a row for each token."""
        scores = self.linear(self.norm(x))
        return scores.reshape((-1, scores.shape[-1]))


class GPTBlock(nn.Module):
    """A block of GPT-2: causal self-attention and two linear layers, each behind a layer norm."""

    def __init__(self, width: int, heads: int) -> None:
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Of shape (batch, tokens, width)."""
        seen = nn.functional.packed_attention(self.qkv(self.norm1(x)), self.heads, is_causal=True)
        x = x + self.out(seen)
        return x + self.down(self.up(self.norm2(x)).gelu())


class GPT(nn.Module):
    """GPT-2: learned positions, and a head that is the table of embeddings."""

    def __init__(self, width: int, heads: int, depth: int, tokens: int, classes: int) -> None:
        self.embedding, self.positions = nn.Embedding(classes, width), nn.Embedding(tokens, width)
        self.blocks = [GPTBlock(width, heads) for _ in range(depth)]
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, classes, bias=False)
        self.head.weight = self.embedding.weight
        with no_grad():
            for table in (self.embedding, self.positions):
                table.weight.mul_(0.02)

    def forward(self, ids: Tensor) -> Tensor:
        """Scores of each token of ids (batch, tokens)."""
        x = self.embedding(ids) + self.positions.weight
        for block in self.blocks:
            x = block(x)
        scores = self.head(self.norm(x))
        return scores.reshape((-1, scores.shape[-1]))


def gpt(width: int, heads: int, depth: int, batch: int, tokens: int, classes: int) -> Case:
    """A causal language model; PyTorch's has scaled_dot_product_attention."""

    def ours() -> nn.Module:
        return GPT(width, heads, depth, tokens, classes)

    def theirs(torch: Any) -> Any:
        return _their_gpt(torch)(width, heads, depth, tokens, classes)

    return Case(ours, theirs, (batch, tokens), classes, ids=True)


def residual(width: int, depth: int, batch: int) -> Case:
    """Residual blocks and a linear layer."""

    def ours() -> nn.Module:
        return nn.Sequential(*[Residual(width) for _ in range(depth)], nn.Linear(width, 10))

    def theirs(torch: Any) -> Any:
        blocks = [_their_residual(torch)(width) for _ in range(depth)]
        return torch.nn.Sequential(*blocks, torch.nn.Linear(width, 10))

    return Case(ours, theirs, (batch, width), 10)


def transformer(width: int, heads: int, depth: int, batch: int, tokens: int, classes: int) -> Case:
    """An encoder over vectors, with plain products for its attention in both libraries."""

    def ours() -> nn.Module:
        return nn.Sequential(*[Block(width, heads) for _ in range(depth)], Head(width, classes))

    def theirs(torch: Any) -> Any:
        block, head = _their_transformer(torch)
        blocks = [block(width, heads) for _ in range(depth)]
        return torch.nn.Sequential(*blocks, head(width, classes))

    return Case(ours, theirs, (batch, tokens, width), classes)


def _their_residual(torch: Any) -> Any:
    class TheirResidual(torch.nn.Module):  # type: ignore[misc]
        def __init__(self, width: int) -> None:
            super().__init__()
            self.norm = torch.nn.LayerNorm(width)
            self.linear = torch.nn.Linear(width, width)

        def forward(self, x: Any) -> Any:
            return x + self.linear(torch.nn.functional.silu(self.norm(x)))

    return TheirResidual


def _their_transformer(torch: Any) -> tuple[Any, Any]:
    layers = torch.nn

    class TheirBlock(layers.Module):  # type: ignore[misc]
        def __init__(self, width: int, heads: int) -> None:
            super().__init__()
            self.heads = heads
            self.norm1, self.norm2 = layers.LayerNorm(width), layers.LayerNorm(width)
            self.qkv, self.out = layers.Linear(width, 3 * width), layers.Linear(width, width)
            self.up, self.down = layers.Linear(width, 4 * width), layers.Linear(4 * width, width)

        def forward(self, x: Any) -> Any:
            x = x + self.attention(self.norm1(x))
            return x + self.down(layers.functional.gelu(self.up(self.norm2(x))))

        def attention(self, x: Any) -> Any:
            batch, tokens, width = x.shape
            size = width // self.heads
            qkv = self.qkv(x).reshape(batch, tokens, 3, self.heads, size).permute(2, 0, 3, 1, 4)
            weights = (qkv[0] @ qkv[1].transpose(-1, -2) * size**-0.5).softmax(-1)
            return self.out((weights @ qkv[2]).permute(0, 2, 1, 3).reshape(batch, tokens, width))

    class TheirHead(layers.Module):  # type: ignore[misc]
        def __init__(self, width: int, classes: int) -> None:
            super().__init__()
            self.norm, self.linear = layers.LayerNorm(width), layers.Linear(width, classes)

        def forward(self, x: Any) -> Any:
            return self.linear(self.norm(x)).flatten(0, 1)

    return TheirBlock, TheirHead


def lstm(width: int, layers: int, steps: int, batch: int, classes: int) -> Case:
    """An LSTM over sequences of vectors, and a class for each of their steps."""

    class Ours(nn.Module):
        def __init__(self) -> None:
            self.lstm = nn.LSTM(width, width, layers)
            self.head = nn.Linear(width, classes)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.lstm(x)[0]).reshape(steps * batch, classes)

    def theirs(torch: Any) -> Any:
        class Theirs(torch.nn.Module):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__()
                self.lstm = torch.nn.LSTM(width, width, layers)
                self.head = torch.nn.Linear(width, classes)

            def forward(self, x: Any) -> Any:
                return self.head(self.lstm(x)[0]).reshape(steps * batch, classes)

        return Theirs()

    return Case(Ours, theirs, (steps, batch, width), classes)


def _their_gpt(torch: Any) -> Any:
    layers = torch.nn

    class TheirBlock(layers.Module):  # type: ignore[misc]
        def __init__(self, width: int, heads: int) -> None:
            super().__init__()
            self.heads = heads
            self.norm1, self.norm2 = layers.LayerNorm(width), layers.LayerNorm(width)
            self.qkv, self.out = layers.Linear(width, 3 * width), layers.Linear(width, width)
            self.up, self.down = layers.Linear(width, 4 * width), layers.Linear(4 * width, width)

        def forward(self, x: Any) -> Any:
            x = x + self.attention(self.norm1(x))
            return x + self.down(layers.functional.gelu(self.up(self.norm2(x))))

        def attention(self, x: Any) -> Any:
            batch, tokens, width = x.shape
            shape = batch, tokens, self.heads, width // self.heads
            q, k, v = (part.view(shape).transpose(1, 2) for part in self.qkv(x).split(width, 2))
            seen = layers.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            return self.out(seen.transpose(1, 2).reshape(batch, tokens, width))

    class TheirGPT(layers.Module):  # type: ignore[misc]
        def __init__(self, width: int, heads: int, depth: int, tokens: int, classes: int) -> None:
            super().__init__()
            self.embedding = layers.Embedding(classes, width)
            self.positions = layers.Embedding(tokens, width)
            self.blocks = layers.ModuleList([TheirBlock(width, heads) for _ in range(depth)])
            self.norm = layers.LayerNorm(width)
            self.head = layers.Linear(width, classes, bias=False)
            self.head.weight = self.embedding.weight

        def forward(self, ids: Any) -> Any:
            x = self.embedding(ids) + self.positions.weight
            for block in self.blocks:
                x = block(x)
            return self.head(self.norm(x)).flatten(0, 1)

    return TheirGPT
