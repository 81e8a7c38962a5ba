"""Floor 9: commands. Each is a thin, typed shell over `burnish.api`."""
