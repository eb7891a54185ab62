"""SAM Audio in plain PyTorch, compatible with the released checkpoints; see README.md in this folder."""
