"""Floor 4: losses and advantages as pure tensor functions. `base` holds the one set of tensors and the one reduction."""
