"""Modules, parameters, layers and losses."""

from ._activations import (
    GELU,
    Dropout,
    Flatten,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Tanh,
)
from ._cells import GRUCell, LSTMCell, RNNCell
from ._embedding import Embedding, EmbeddingBag
from ._files import load_file, save_file
from ._layer import Layer, Sequential
from ._linear import Linear
from ._losses import (
    BCELoss,
    BCEWithLogitsLoss,
    CTCLoss,
    CosineEmbeddingLoss,
    CrossEntropyLoss,
    GaussianNLLLoss,
    HingeEmbeddingLoss,
    HuberLoss,
    KLDivLoss,
    L1Loss,
    MSELoss,
    MarginRankingLoss,
    MultiLabelMarginLoss,
    MultiLabelSoftMarginLoss,
    MultiMarginLoss,
    NLLLoss,
    PoissonNLLLoss,
    SmoothL1Loss,
    SoftMarginLoss,
    TripletMarginLoss,
)
from ._module import Module
from ._norm import LayerNorm
from ._parameter import Parameter
from ._recurrent import GRU, LSTM, RNN
from .functional import (
    binary_cross_entropy_with_logits,
    cross_entropy_loss,
    l1_loss,
    mse_loss,
)

__all__ = [
    "CTCLoss",
    "MultiLabelSoftMarginLoss",
    "MultiLabelMarginLoss",
    "MultiMarginLoss",
    "TripletMarginLoss",
    "MarginRankingLoss",
    "CosineEmbeddingLoss",
    "SoftMarginLoss",
    "HingeEmbeddingLoss",
    "PoissonNLLLoss",
    "GaussianNLLLoss",
    "KLDivLoss",
    "HuberLoss",
    "SmoothL1Loss",
    "L1Loss",
    "MSELoss",
    "BCEWithLogitsLoss",
    "BCELoss",
    "NLLLoss",
    "CrossEntropyLoss",
    "GELU",
    "GRU",
    "LSTM",
    "RNN",
    "Dropout",
    "Embedding",
    "EmbeddingBag",
    "Flatten",
    "GRUCell",
    "LSTMCell",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "Module",
    "Parameter",
    "RNNCell",
    "ReLU",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "binary_cross_entropy_with_logits",
    "cross_entropy_loss",
    "l1_loss",
    "load_file",
    "mse_loss",
    "save_file",
]
