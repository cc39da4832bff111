"""Base model sources, one file each: an installed package, the hub, a folder, a GGUF file."""
