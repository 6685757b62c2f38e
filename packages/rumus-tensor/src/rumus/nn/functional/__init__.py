"""Functional forms of layers and losses, under PyTorch's names."""

from ._embedding import embedding, embedding_bag, one_hot
from ._losses import (
    binary_cross_entropy_with_logits,
    cross_entropy_loss,
    l1_loss,
    mse_loss,
)
from ._similarity import cosine_similarity, normalize

__all__ = [
    "binary_cross_entropy_with_logits",
    "cosine_similarity",
    "cross_entropy_loss",
    "embedding",
    "embedding_bag",
    "l1_loss",
    "mse_loss",
    "normalize",
    "one_hot",
]
