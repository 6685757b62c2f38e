"""What every floor stands on: values, errors, shapes, versions, and the base of tensors."""
