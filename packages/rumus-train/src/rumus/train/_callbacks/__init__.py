"""Callbacks that are ready to use."""
