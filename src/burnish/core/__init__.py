"""Floor 0: records, errors, plug-in lookup, budgets, seeds. Imports nothing of the house."""
