"""Black-Scholes-Merton with all its Greeks as one straight loop over contracts."""

import numpy as np

from engine.pricing.black_scholes import DETERMINISTIC
from engine.pricing.kernels.jit import kernel
from engine.pricing.kernels.lookup import black_scholes
from engine.pricing.kernels.maths import density, exp, legs, log


@kernel
def european(sign, spot, strike, sigma, tau, rate, yield_, on_forward, begins, ends, out):
    """Price and Greeks of the contracts begins … ends - 1; NaN where the underlying is not random (no time, no volatility).

    Args:
        sign … yield_: (n,); sign +1 for calls, -1 for puts. on_forward: (n,), 1.0 where the yield is the rate.
        out: (9, n): price, delta, gamma, vega, theta, rho, vanna, volga, charm, per year and per 1.00.
    """
    size = ends - begins
    s, spots, strikes, sigmas = sign[begins:ends], spot[begins:ends], strike[begins:ends], sigma[begins:ends]
    taus, rates, yields, forward = (
        tau[begins:ends],
        rate[begins:ends],
        yield_[begins:ends],
        on_forward[begins:ends],
    )
    price, delta, gamma = out[0, begins:ends], out[1, begins:ends], out[2, begins:ends]
    vega, theta, rho = out[3, begins:ends], out[4, begins:ends], out[5, begins:ends]
    vanna, volga, charm = out[6, begins:ends], out[7, begins:ends], out[8, begins:ends]
    for i in range(size):
        t, r, q, v, x = taus[i], rates[i], yields[i], sigmas[i], spots[i]
        root = np.sqrt(t)
        wide = v * root
        spot_carry = exp(-q * t)
        spot_pv, strike_pv = x * spot_carry, strikes[i] * exp(-r * t)
        d2 = (log(x / strikes[i]) + (r - q) * t) / wide - 0.5 * wide
        d1 = d2 + wide
        bell = spot_carry * density(d1)
        spot_leg, strike_leg = legs(s[i], spot_pv, strike_pv, d1, d2)
        share = s[i] * spot_leg / x
        value = black_scholes(s[i], spot_pv, strike_pv, d1, d2)
        known = 0.0 if x > 0.0 and strikes[i] > 0.0 and wide >= DETERMINISTIC else np.nan
        curve = bell / (x * wide)
        slope = x * bell * root
        price[i] = value + known
        delta[i] = share + known
        gamma[i] = curve + known
        vega[i] = slope + known
        theta[i] = r * value - (r - q) * x * share - 0.5 * v * v * x * x * curve + known
        rho[i] = t * (s[i] * strike_leg * (1.0 - forward[i]) - value * forward[i]) + known
        vanna[i] = known - bell * d2 / v
        volga[i] = slope * d1 * d2 / v + known
        charm[i] = share * q - bell * ((r - q) / wide - 0.5 * d2 / t) + known
