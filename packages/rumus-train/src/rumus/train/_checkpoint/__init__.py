"""Checkpoints: folders that are valid or invisible."""
