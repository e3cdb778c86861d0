"""The mathematics of box detection as pure functions: cells and decoding, assignment, losses, predictions, average precision."""
