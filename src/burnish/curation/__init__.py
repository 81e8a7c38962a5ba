"""Floor 5: plug-ins that turn stored runs into training examples: `(store, **options) -> list[Example]`."""
