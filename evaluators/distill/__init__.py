"""Learning from a trained network beside the truth: which one it is, what it says, how far a candidate is from that."""
