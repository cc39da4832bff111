"""The worker of one run: from the run's folder to its finished adapter.

``python -m workbench.training RUN_DIR`` starts it. Everything here may import torch, so nothing of it is imported by
the server. It reads the run's config and writes events, checkpoints and the adapter; it knows no index and no page.
"""
