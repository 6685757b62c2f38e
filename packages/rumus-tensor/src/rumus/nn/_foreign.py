"""What PyTorch's and Keras's names on a module, and in theirs, are here."""

from rumus._core.foreign import of_module

_TRAINER = "rumus.train.Trainer(optimizer).{0}(model, loader, ...) does that"
_GRADS = "loss.backward() returns the gradients, a new store each time; none is to be zeroed"
_SAVE = "rumus.nn.save_file(model, path) writes safetensors"
_LOAD = "model.load_state_dict(rumus.nn.load_file(path)) reads safetensors"
_FUNCTIONAL = "it is in rumus.nn.functional"

HINTS = {
    "cuda": "model.to('gpu') moves to the GPU, of any maker",
    "cpu": "model.to('cpu')",
    "half": "model.to(float16)",
    "float": "model.to(float32)",
    "double": "there is no float64, which GPUs lack; model.to(float32)",
    "type": "model.to(dtype)",
    "zero_grad": _GRADS,
    "backward": "loss.backward() is a tensor's, and returns the gradients",
    "share_memory": "a loader's workers are threads, which share everything",
    "fit": _TRAINER.format("fit"),
    "compile": "there is nothing to compile: the optimizer goes to rumus.train.Trainer(optimizer), "
    "and the loss to its fit(model, loader, loss, epochs=...)",
    "evaluate": _TRAINER.format("evaluate"),
    "predict": _TRAINER.format("predict"),
    "summary": "rumus.nn.summary(model, example)",
    "count_params": "model.count_parameters()",
    "num_parameters": "model.count_parameters()",
    "save": _SAVE,
    "save_weights": _SAVE,
    "load": _LOAD,
    "load_weights": _LOAD,
    "get_weights": "model.state_dict()",
    "set_weights": "model.load_state_dict(state)",
    "weights": "model.parameters()",
    "trainable_weights": "model.parameters()",
    "device": "next(iter(model.parameters())).device, for parts of a model may lie on several",
    "dtype": "next(iter(model.parameters())).dtype, for parts of a model may have several",
    "trainable": "model.requires_grad_(False) freezes",
    "add_module": "assign it: model.name = module",
    "register_module": "assign it: model.name = module",
    "register_parameter": "assign it: model.name = Parameter(data)",
}

_MODULE_HINTS = {
    "Dense": "Linear(in_features, out_features)",
    "Conv1D": "Conv1d(in_channels, out_channels, kernel_size), over (N, channels, length)",
    "Conv2D": "Conv2d(in_channels, out_channels, kernel_size), over (N, channels, height, width)",
    "MaxPooling2D": "MaxPool2d(kernel_size)",
    "MaxPool2D": "MaxPool2d(kernel_size)",
    "AveragePooling2D": "AvgPool2d(kernel_size)",
    "GlobalAveragePooling2D": "AdaptiveAvgPool2d(1)",
    "BatchNormalization": "BatchNorm1d(channels) and BatchNorm2d(channels)",
    "LayerNormalization": "LayerNorm(shape)",
    "Activation": "ReLU(), Tanh(), ... are layers",
    "Input": "layers are given the lengths of their input: Linear(in_features, out_features)",
    "InputLayer": "layers are given the lengths of their input: Linear(in_features, out_features)",
    "LazyLinear": "layers are given the lengths of their input: Linear(in_features, out_features)",
    "Model": "Module, or Sequential(layers...)",
    "Transformer": "TransformerEncoder and TransformerDecoder",
    "DataParallel": "rumus.train spreads a step over machines",
    "SyncBatchNorm": "BatchNorm2d(channels)",
    "Buffer": "module.register_buffer(name, tensor)",
    **dict.fromkeys(
        ("Conv3d", "ConvTranspose3d", "BatchNorm3d", "InstanceNorm3d", "MaxPool3d", "AvgPool3d"),
        "layers have one axis of space, or two",
    ),
    "LazyConv2d": "layers are given the channels of their input: Conv2d(in_channels, ...)",
    "Softmax2d": "Softmax(1)",
    "CosineSimilarity": "rumus.nn.functional.cosine_similarity",
    "PairwiseDistance": "rumus.nn.functional.pairwise_distance",
    "ChannelShuffle": "rumus.nn.functional.channel_shuffle",
    "UpsamplingNearest2d": "Upsample(scale_factor=...)",
    "UpsamplingBilinear2d": "Upsample(scale_factor=..., mode='bilinear', align_corners=True)",
    "optim": "import rumus.optim",
    "utils": "rumus.optim.clip_grad_norm_, rumus.data.pad_collate",
    "save": _SAVE,
    "load": _LOAD,
    "relu": _FUNCTIONAL,
    "softmax": _FUNCTIONAL,
    "cross_entropy": f"{_FUNCTIONAL}, and CrossEntropyLoss is its layer",
    "one_hot": "losses take class ids as they are",
}

FUNCTIONAL_HINTS = {
    "swish": "it is silu",
    "upsample": "interpolate(x, size, mode=...)",
    "flatten": "x.flatten(1)",
    "dense": "linear(x, weight, bias)",
    "conv3d": "there are conv1d and conv2d",
    "multi_head_attention_forward": "scaled_dot_product_attention, or rumus.nn.MultiheadAttention",
    "sparse_categorical_crossentropy": "cross_entropy takes class ids",
    "categorical_crossentropy": "cross_entropy takes probabilities too",
}
AUGMENT_HINTS = {
    "Compose": "rumus.nn.Sequential(layers...)",
    "ToTensor": "images are uint8 arrays, taken as they are",
    "Normalize": "rumus.nn.Standardize",
    "RandomRotation": "RandomAffine(degrees)",
    "RandomFlip": "RandomHorizontalFlip and RandomVerticalFlip",
}

OPTION_HINTS = {
    "inplace": "leave it out: the result is the same",
    "dtype": "layers are float32; layer.to(dtype) casts one that is made",
    "proj_size": "a Linear behind the layer projects its outputs",
    "sparse": "leave it out: gradients are dense",
    "input_shape": "layers are given the lengths of their input: Linear(in_features, out_features)",
    "input_dim": "layers are given the lengths of their input: Linear(in_features, out_features)",
}

missing = of_module("rumus.nn", _MODULE_HINTS)
missing_function = of_module("rumus.nn.functional", FUNCTIONAL_HINTS)
missing_augmentation = of_module("rumus.nn.augment", AUGMENT_HINTS)
missing_initialiser = of_module("rumus.nn.init", {})
