"""What is said of recorded runs: sentences and tables."""
