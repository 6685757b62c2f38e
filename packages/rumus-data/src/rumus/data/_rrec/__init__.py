"""Reading, writing and repairing record files."""
