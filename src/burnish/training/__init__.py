"""Floor 5: one trainer for every objective. `trainer.train` is the entry; `config` and `stats` need no torch."""
