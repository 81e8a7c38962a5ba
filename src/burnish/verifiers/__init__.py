"""Floor 2: judges of checkable artefacts, one module per kind of task. They report facts, never rewards."""
