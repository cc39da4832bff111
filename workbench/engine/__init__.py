"""The engine process: base models in memory, and everything that needs one of them or its tokenizer.

Its HTTP side (`app`, `chat`, `answers`, `bases`) starts without torch; that is imported with the first model.
"""
