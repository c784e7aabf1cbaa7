"""Speed: neurofa alone, its share of what the machine can do, and PyTorch beside it where it is installed."""
