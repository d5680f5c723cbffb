"""`python -m tests.bench`: what the engine costs, measured on this machine in one run, beside simpler things."""
