"""The papers' experiments: which runs, which analysis."""
