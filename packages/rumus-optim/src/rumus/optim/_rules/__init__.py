"""The optimizers: the ranges of their options, their states and their formulas."""
