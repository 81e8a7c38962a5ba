"""Floor 3: pure functions from verdicts to feedback, rewards and labels."""
