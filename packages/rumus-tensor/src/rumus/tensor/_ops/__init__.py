"""One :class:`~rumus.autograd.Function` for each differentiable operation."""
