"""Functional forms of layers and losses, under PyTorch's names."""

from ._losses import (
    binary_cross_entropy_with_logits,
    cross_entropy_loss,
    l1_loss,
    mse_loss,
)

__all__ = [
    "binary_cross_entropy_with_logits",
    "cross_entropy_loss",
    "l1_loss",
    "mse_loss",
]
