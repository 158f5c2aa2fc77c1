"""exp, log, and the normal distribution as straight-line arithmetic, so that the loops around them become vector code.

Inside a loop the library's functions are calls, and a call keeps the loop scalar. exp and log are Cephes' range reductions
with Taylor's and atanh's series; the normal distribution is Shepherd and Laframboise's (1981) form of the scaled
complementary error function, (1 + 2 y) erfcx(y) as a polynomial in (y - 3.75) / (y + 3.75), fitted at Chebyshev nodes.
Relative errors: exp and log under 1e-15, the normal distribution under 1e-12 down to its smallest values.
"""

import numpy as np

from engine.pricing.kernels.jit import inlined

SHIFT = 6755399441055744.0  # 1.5 * 2**52: adding it leaves the nearest integer in a double's last bits
LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
LOG2_E = 1.4426950408889634
SQRT_HALF_BITS = np.int64(0x3FE6A09E667F3BCD)
MANTISSA = np.int64(0x000FFFFFFFFFFFFF)
SHIFT_BITS = np.int64(0x4338000000000000)
EXPONENT_BIAS, EXPONENT_AT = np.int64(1023), np.int64(52)
ROOT_HALF = 0.7071067811865476
MIDDLE = 3.75
ROOT_2_PI_INVERSE = 0.3989422804014327


@inlined
def exp(x):
    """e**x; x is held in [-708, 709]."""
    x = min(max(x, -708.0), 709.0)
    shifted = x * LOG2_E + SHIFT
    k = shifted - SHIFT
    r = (x - k * LN2_HIGH) - k * LN2_LOW
    r2 = r * r
    r4 = r2 * r2
    low = (1.0 + r) + r2 * (0.5 + r * 1.6666666666666666e-01)
    middle = (4.1666666666666664e-02 + r * 8.333333333333333e-03) + r2 * (
        1.3888888888888889e-03 + r * 1.984126984126984e-04
    )
    high = (2.48015873015873e-05 + r * 2.7557319223985893e-06) + r2 * (
        2.755731922398589e-07 + r * 2.505210838544172e-08
    )
    p = low + r4 * (middle + r4 * (high + r4 * 2.08767569878681e-09))
    bits = (np.float64(shifted).view(np.int64) + EXPONENT_BIAS) << EXPONENT_AT
    return p * np.int64(bits).view(np.float64)


@inlined
def log(x):
    """ln x of a positive normal number."""
    bits = np.float64(x).view(np.int64) - SQRT_HALF_BITS
    k = np.int64((bits >> EXPONENT_AT) + SHIFT_BITS).view(np.float64) - SHIFT
    m = np.int64((bits & MANTISSA) + SQRT_HALF_BITS).view(np.float64)
    s = (m - 1.0) / (m + 1.0)
    z = s * s
    z2 = z * z
    z4 = z2 * z2
    low = (2.0 / 3.0 + z * (2.0 / 5.0)) + z2 * (2.0 / 7.0 + z * (2.0 / 9.0))
    high = (2.0 / 11.0 + z * (2.0 / 13.0)) + z2 * (2.0 / 15.0 + z * (2.0 / 17.0))
    p = low + z4 * (high + z4 * (2.0 / 19.0 + z * (2.0 / 21.0)))
    return k * LN2_HIGH + (2.0 * s + (s * z * p + k * LN2_LOW))


@inlined
def mills(x):
    """N(-|x|) exp(x x / 2): the normal distribution's tail without its exponential."""
    y = min(abs(x), 1e100) * ROOT_HALF  # there is nothing beyond, and its square is finite
    wide, long = y + MIDDLE, 1.0 + 2.0 * y
    inverse = 1.0 / (wide * long)
    t = (y - MIDDLE) * long * inverse
    t2 = t * t
    t4 = t2 * t2
    t8 = t4 * t4
    a = (1.2375126308378261 - t * 0.14024059858550691) + t2 * (0.0035854154857962728 + t * 0.0822767384871449)
    b = (-0.10880393015478906 + t * 0.0923043212260811) + t2 * (
        -0.058693398386338996 + t * 0.028362276758981904
    )
    c = (-0.009746581197797487 + t * 0.0017556295058612835) + t2 * (
        0.00029372143004608966 - t * 0.00029016628967656975
    )
    d = (5.162603229593688e-05 + t * 2.2410006211694723e-05) + t2 * (
        -1.1399763992468566e-05 - t * 1.0083334617997258e-06
    )
    e = (1.6960369824521795e-06 - t * 2.7755436349252734e-08) + t2 * (
        -2.1432952053146452e-07 + t * 8.527558748028247e-09
    )
    p = (a + t4 * b) + t8 * ((c + t4 * d) + t8 * (e + t4 * 1.7557249520905327e-08))
    return 0.5 * p * wide * inverse


@inlined
def normal(x):
    """The standard normal distribution function."""
    tail = exp(-0.5 * x * x) * mills(x)
    return tail if x < 0.0 else 1.0 - tail


@inlined
def legs(sign, spot_pv, strike_pv, d1, d2):
    """spot_pv N(sign d1) and strike_pv N(sign d2), for the d1 and d2 of Black and Scholes.

    Those make spot_pv exp(-d1 d1 / 2) and strike_pv exp(-d2 d2 / 2) one number, so one exponential does for both.
    """
    power = 0.5 * d2 * d2
    bell = strike_pv * exp(-power) if power < 708.0 else 0.0
    spot_tail, strike_tail = bell * mills(d1), bell * mills(d2)
    return (
        spot_tail if sign * d1 < 0.0 else spot_pv - spot_tail,
        strike_tail if sign * d2 < 0.0 else strike_pv - strike_tail,
    )


@inlined
def density(x):
    """The standard normal density."""
    return ROOT_2_PI_INVERSE * exp(-0.5 * x * x)
