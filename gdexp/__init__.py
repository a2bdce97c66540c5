"""How does gradient descent converge? Experiments that can be compared, trusted and repeated."""
