"""The primitives of each device, behind one contract."""
