"""Floor 4: test-time systems as short async functions, one module each."""
