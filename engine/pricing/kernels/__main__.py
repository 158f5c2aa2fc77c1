"""`python -m engine.pricing.kernels`: compile every kernel and keep it, so that no later start needs to."""

import numpy as np

from engine.pricing import Contracts, Model, Shocks, backend, greeks, implied_volatility, price, value
from engine.pricing.kernels import disk


def main() -> None:
    """Compile what is not compiled yet, in one process at a time."""
    with disk.alone():
        if not disk.is_compiled():
            compile_all()
            disk.mark_compiled()


def compile_all() -> None:
    """Call every kernel with the types that the package uses."""
    from engine.pricing.kernels import compiled

    backend.use(compiled)
    puts = Contracts.of(
        model=[Model.AMERICAN, Model.BLACK_SCHOLES], is_call=False, spot=100.0, strike=100.0, sigma=0.2, tau=0.5,
        rate=0.04, dividends=[[(0.2, 1.0)]],
    )  # fmt: skip
    value(puts, Shocks(np.full((1, 2), 90.0), np.full((1, 2), 0.3), np.zeros(1)))
    greeks(puts)
    implied_volatility(puts, price(puts))


if __name__ == "__main__":
    main()
