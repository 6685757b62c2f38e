"""Text as numbers, and back."""
