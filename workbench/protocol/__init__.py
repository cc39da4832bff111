"""The border between the engine and those who ask it: typed messages, refusals and model ids, and nothing heavy."""
