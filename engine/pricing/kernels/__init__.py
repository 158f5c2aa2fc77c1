"""The hot loops, compiled by numba. `engine.pricing.backend` chooses between these and their numpy twin."""
