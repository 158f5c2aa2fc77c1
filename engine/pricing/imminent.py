"""Options whose next cash dividend is almost due: exercise before it is one choice, made now in all but name.

Holding through the ex-date is worth H, the discounted mean of what the remaining contract is worth at the spots that
the ex-date may find, less the dividend (Gauss and Hermite's quadrature). Exercise just before the ex-date pays J, the
discounted payoff of the forward. The better of both at that date is worth J + E max(H - J, 0) now: over so short a time H - J
is a parabola in a normal number, whose positive part has a closed form (of a line: Bachelier 1900). A lattice would have to
resolve the corner that this choice leaves in the value at the ex-date, which no grid of a sensible size does when the
diffusion has little time to smooth it.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from scipy.special import ndtr

from engine.pricing.american import ceiling, european_ceiling
from engine.pricing.black_scholes import density
from engine.pricing.dividends import LARGEST_SHARE, by_date
from engine.pricing.types import BoolArray, Contracts, Floats, Shocks

SOON: Final = 0.04
PER_SHARE: Final = 4.0
"""A dividend is almost due within the first as a share of the life, or within its own share of the strike times the second if
that is less: a small dividend leaves no sharp corner, and a table is read sooner than this is worked out."""

LARGE_JUMP: Final = 1.0
LARGE_SOON: Final = 0.12
"""A dividend over the first, as a share of the strike in units of sigma sqrt(tau), leaves a call's corner beyond what a table
follows: it is almost due within the second."""

WIDEST: Final = 0.5
"""Of sigma sqrt(time): where the spot diffuses farther until the ex-date, a few nodes do not tell the mean."""

LEAST_TIME: Final = 1e-6
"""Share of the life, half a minute of a year: what divides by the time until the ex-date takes this at least."""

NODES: Final = 7
_X, _WEIGHTS = hermegauss(NODES)
_X, _WEIGHTS = _X[:, None, None], _WEIGHTS[:, None, None] / _WEIGHTS.sum()

LEAST_DOUBT: Final = 1e-8
"""Shares of the strike: the deviation of H - J is this at least, to divide by."""

FARTHEST: Final = 40.0
"""Deviations beyond which the normal density is zero."""


def almost_due(c: Contracts) -> BoolArray:
    """(n,): a dividend goes ex so soon that it is a choice, not a matter for a table."""
    times, amounts = c.dividend_times, c.dividend_amounts
    ahead = (times > 0.0) & (amounts != 0.0)
    if not ahead.any():
        return np.zeros(len(c), dtype=np.bool_)
    with np.errstate(all="ignore"):
        share = amounts / c.strike[:, None]
        large = c.is_call[:, None] & (share > LARGE_JUMP * (c.sigma * np.sqrt(c.tau))[:, None])
        within = np.where(large, LARGE_SOON, np.minimum(SOON, PER_SHARE * share))
        near = (times < within * c.tau[:, None]) & (np.square(c.sigma)[:, None] * times <= WIDEST**2)
        return np.asarray((ahead & near).any(axis=1))


def _crossing(lead: Floats, doubt: Floats, bend: Floats) -> tuple[Floats, Floats]:
    """Where lead - doubt x + bend (x x - 1) is nothing, and how steep it is there; the nearer of its two roots."""
    over = lead - bend
    steepness = np.sqrt(np.maximum(doubt * doubt - 4.0 * bend * over, 0.0))
    return np.clip(2.0 * over / (doubt + steepness), -FARTHEST, FARTHEST), np.fmax(steepness, 0.1 * doubt)


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """m contracts before their next dividend, in k states of the market, and what becomes of them.

    before: the contracts, the yield as carried, for each of which `almost_due` holds; early (m,): whether exercise before
    expiry is allowed; spot, sigma: (k, m); time (m,): until the ex-date. after: the contracts as the ex-date leaves them;
    held: the states that it may find them in, (NODES k, m). grown, kept (NODES, k, m): the spots just before the ex-date,
    and the slope of those just after by them.
    """

    before: Contracts
    early: BoolArray
    spot: Floats
    sigma: Floats
    time: Floats
    after: Contracts
    held: Shocks
    grown: Floats
    kept: Floats

    @classmethod
    def of(cls, c: Contracts, early: BoolArray, spot: Floats, sigma: Floats) -> "Choice":
        """The choice that contracts (m,), as `before` describes them, have in the states (k, m)."""
        times, amounts = by_date(c.dividend_times, c.dividend_amounts, c.tau)
        time, cash = times[:, 0], amounts[:, 0]
        deviation = sigma * np.sqrt(time)
        grown = spot * np.exp((c.rate - c.dividend_yield) * time - 0.5 * deviation**2 + deviation * _X)
        paid = np.minimum(cash, LARGEST_SHARE * grown)
        after = replace(
            c,
            tau=c.tau - time,
            dividend_times=times[:, 1:] - time[:, None],
            dividend_amounts=amounts[:, 1:],
        )
        m = len(c)
        states = (grown - paid).reshape(-1, m)
        held = Shocks(states, np.tile(sigma, (NODES, 1)), np.zeros(len(states)))
        kept = np.where(cash > LARGEST_SHARE * grown, 1.0 - LARGEST_SHARE, 1.0)
        return cls(c, early, spot, sigma, time, after, held, grown, kept)

    def prices(self, held: Floats) -> Floats:
        """(k, m): the value now.

        Args:
            held: (NODES k, m), the values of `after` in `held`.
        """
        return self._better(*self._lead(held))

    def _better(self, lead: Floats, doubt: Floats, bend: Floats) -> Floats:
        """(k, m): the value now, of H - J as `_lead` has it."""
        x, _ = _crossing(lead, doubt, bend)
        exercise = self._exercise()
        hold = exercise + lead
        chosen = exercise + lead * ndtr(x) + (doubt - bend * x) * density(x)
        floor = np.maximum(self._intrinsic(), hold)
        c = self.before
        most = np.where(self.early, ceiling(c, self.spot), european_ceiling(c, self.spot))
        return np.minimum(np.where(self.early, np.maximum(chosen, floor), hold), most)

    def greeks(self, g: Floats) -> Floats:
        """(9, k, m): price and Greeks now, in the order of GreekColumns, per year and per 1.00.

        Args:
            g: (9, NODES k, m), price and Greeks of `after` in `held`, in that order and those units.
        """
        c, spot, sigma, t = self.before, self.spot, self.sigma, self.time
        lead, doubt, bend = self._lead(g[0])
        price = self._better(lead, doubt, bend)
        x, steepness = _crossing(lead, doubt, bend)
        of_hold = self._slopes_of_hold(lead + self._exercise(), g)
        of_exercise = self._slopes_of_exercise()
        s, ss, v, r, sv, vv, st = of_hold - of_exercise  # of H - J by spot, sigma, rate and time
        per_spot, per_sigma = (1.0 / np.where(at > 0.0, at, np.inf) for at in (spot, sigma))
        ds, dv = doubt * per_spot, doubt * per_sigma  # of the doubt by spot and sigma
        dt = -doubt / (2.0 * np.fmax(t, LEAST_TIME * c.tau))  # and by time
        by_lead, by_doubt = ndtr(x), density(x)
        curve = by_doubt / steepness

        def second(one: Floats, its: Floats, other: Floats, others: Floats) -> Floats:
            return np.asarray(curve * (one - x * its) * (other - x * others))

        carry, variance = c.rate - c.dividend_yield, np.square(sigma * spot)

        def decay(worth: Floats, delta: Floats, gamma: Floats) -> Floats:
            """The pricing equation's theta."""
            return np.asarray(c.rate * worth - carry * spot * delta - 0.5 * variance * gamma)

        of_choice = of_exercise + np.stack([
            by_lead * s + by_doubt * ds,
            by_lead * ss + second(s, ds, s, ds),
            by_lead * v + by_doubt * dv,
            by_lead * r,
            by_lead * sv + second(s, ds, v, dv) + by_doubt * ds * per_sigma,
            by_lead * vv + second(v, dv, v, dv),
            by_lead * st + second(s, ds, decay(lead, s, ss), dt) + by_doubt * dt * per_spot,
        ])  # fmt: skip
        slopes = np.where(self.early & (by_lead < 1.0), of_choice, of_hold)
        theta = decay(price, slopes[0], slopes[1])
        now = self.early & (self._intrinsic() > 0.0) & (price <= self._intrinsic())
        slopes, theta = np.where(now, 0.0, slopes), np.where(now, 0.0, theta)
        slopes[0] = np.where(now, self._sign(), slopes[0])
        return np.stack([price, *slopes[:3], theta, *slopes[3:]])

    def _sign(self) -> Floats:
        return np.where(self.before.is_call, 1.0, -1.0)

    def _intrinsic(self) -> Floats:
        return self._sign() * (self.spot - self.before.strike)

    def _exercise(self) -> Floats:
        """(k, m): J."""
        c = self.before
        paid = self.spot * np.exp(-c.dividend_yield * self.time) - c.strike * np.exp(-c.rate * self.time)
        return np.asarray(self._sign() * paid)

    def _lead(self, held: Floats) -> tuple[Floats, Floats, Floats]:
        """H - J at the ex-date as a parabola in the spot's logarithm, (k, m) each: its mean, deviation and half curvature.

        It is lead - doubt x + bend (x x - 1), x normal and towards exercise.
        """
        c, deviation = self.before, self.sigma * np.sqrt(self.time)
        at_date = _WEIGHTS * np.exp(-c.rate * self.time) * held.reshape(self.grown.shape)
        forward = self._sign() * self.spot * np.exp(-c.dividend_yield * self.time)
        tilt = (_X * at_date).sum(axis=0) - forward * deviation
        bend = 0.5 * (((_X * _X - 1.0) * at_date).sum(axis=0) - forward * deviation**2)
        return at_date.sum(axis=0) - self._exercise(), np.fmax(np.abs(tilt), LEAST_DOUBT * c.strike), bend

    def _slopes_of_hold(self, hold: Floats, g: Floats) -> Floats:
        """(7, k, m): delta, gamma, vega, rho, vanna, volga, charm of H, along each path to the ex-date."""
        c, t = self.before, self.time
        root = np.sqrt(t)
        discount = np.exp(-c.rate * t)
        _, delta, gamma, vega, _, rho, vanna, volga, _ = g.reshape(len(g), *self.grown.shape) * discount
        per_spot = np.where(self.spot > 0.0, self.kept * self.grown / np.fmax(self.spot, 1e-300), 0.0)
        swing = root * _X - self.sigma * t  # of the spot's logarithm by sigma
        by_sigma = self.kept * self.grown * swing
        bend = self.kept * self.grown * (swing * swing - t)
        drift = (
            c.rate
            - c.dividend_yield
            - 0.5 * self.sigma**2
            + self.sigma * _X / (2.0 * np.sqrt(np.fmax(t, LEAST_TIME * c.tau)))
        )
        slope = delta * per_spot
        by_date = (gamma * self.kept * self.grown + delta) * per_spot * drift
        paths = np.stack([
            slope,
            gamma * per_spot**2,
            vega + delta * by_sigma,
            rho + delta * self.kept * self.grown * t,
            (vanna + gamma * by_sigma) * per_spot + slope * swing,
            volga + 2.0 * vanna * by_sigma + gamma * by_sigma**2 + delta * bend,
            c.rate * slope - by_date,
        ])  # fmt: skip
        mean = (_WEIGHTS * paths).sum(axis=1)
        mean[3] -= t * hold
        return np.asarray(mean)

    def _slopes_of_exercise(self) -> Floats:
        """(7, k, m): the same of J."""
        c, t, sign = self.before, self.time, self._sign()
        out = np.zeros((7, *self.spot.shape))
        out[0] = sign * np.exp(-c.dividend_yield * t)
        out[3] = sign * c.strike * t * np.exp(-c.rate * t)
        out[6] = c.dividend_yield * out[0]
        return out
