"""The simulated gateway against the real client library over TCP, and against raw bytes where a client can't go."""

import json
import socket
import subprocess
import sys
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import pytest

from simulator.gateway import Gateway, GatewayConfig, running_gateway

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # eventkit asks for a loop while it is imported
    import ib_insync as ib

LEGAL = (
    "100(Option Volume),101(Option Open Interest),105(Average Opt Volume),106(impvolat),165(Misc. Stats),"
    "221/220(Creditman Mark Price),225(Auction),232/221(Pl Price),233(RTVolume),236(inventory),258/47(Fundamentals),"
    "292(Wide_news),293(TradeCount),294(TradeRate),295(VolumeRate),318(LastRTHTrade),375(RTTrdVolume),411(rthistvol),"
    "456/59(IBDividends),460(Bond Factor Multiplier),577(EtfNavLast(navlast)),586(IPOHLMPRC),587(Pl Price Delayed),"
    "588(Futures Open Interest),595(Short-Term Volume X Mins),614(EtfNavMisc(high/low)),619(Creditman Slow Mark Price),"
    "623(EtfFrozenNavLast(fznavlast))"
)


class Errors(list[tuple[int, int, str]]):
    """What the gateway complained about: request id, code, text."""

    def codes(self) -> set[int]:
        return {code for _, code, _ in self}

    def text(self, code: int) -> str:
        return next(text for _, seen, text in self if seen == code)


@asynccontextmanager
async def a_client(gateway: Gateway, client_id: int = 1) -> AsyncIterator[tuple[ib.IB, Errors]]:
    client, errors = ib.IB(), Errors()

    def note(req_id: int, code: int, text: str, _: Any) -> None:
        errors.append((req_id, code, text))

    client.errorEvent += note
    await client.connectAsync("127.0.0.1", gateway.port, clientId=client_id, readonly=True, timeout=10)
    try:
        yield client, errors
    finally:
        client.disconnect()


async def until(condition: Callable[[], object], seconds: float = 10) -> None:
    with anyio.fail_after(seconds):
        while not condition():
            await anyio.sleep(0.005)


def play(scene: Callable[[Gateway, ib.IB, Errors], Awaitable[None]], **config: Any) -> None:
    """Runs a scene with a gateway of its own and one client connected to it."""

    async def main() -> None:
        async with running_gateway(GatewayConfig(**config)) as gateway, a_client(gateway) as (client, errors):
            await scene(gateway, client, errors)

    anyio.run(main)


def routed(client: ib.IB, sec_type: str = "", symbol: str = "") -> list[ib.Contract]:
    """The account's contracts of a type and symbol, ready for market data."""
    found = [row.contract for row in client.portfolio()]
    for contract in found:
        contract.exchange = "SMART"
    return [c for c in found if sec_type in ("", c.secType) and symbol in ("", c.symbol)]


# -- connecting --------------------------------------------------------------------------------------------------


def test_the_client_connects_at_version_176_and_finds_the_account():
    async def scene(gateway, client, errors):
        assert client.client.serverVersion() == 176
        assert client.managedAccounts() == [gateway.account.name]
        assert gateway.account.name.startswith("DU")
        assert {2104, 2106, 2158} <= errors.codes()

    play(scene)


def test_positions_portfolio_and_account_values_are_complete_when_connected():
    async def scene(gateway, client, errors):
        assert len(client.positions()) == len(client.portfolio()) == 24
        held = {row.instrument.con_id: row.quantity for row in gateway.account.positions}
        assert {row.contract.conId: row.position for row in client.positions()} == held
        assert {row.contract.conId: row.position for row in client.portfolio()} == held
        values = {(row.tag, row.currency): row.value for row in client.accountValues()}
        marked = sum(row.marketValue for row in client.portfolio())
        cash = float(values["TotalCashValue", "USD"])
        assert float(values["NetLiquidation", "USD"]) == pytest.approx(cash + marked, abs=1.0)
        for tag in ("InitMarginReq", "MaintMarginReq", "ExcessLiquidity", "AvailableFunds", "BuyingPower"):
            assert float(values[tag, "USD"]) > 0
        assert 0 < float(values["Cushion", ""]) < 1
        assert values["AccountReady", ""] == "true"
        assert values["ExchangeRate", "BASE"] == "1.00"

    play(scene)


def test_portfolio_rows_have_no_exchange_and_options_the_osi_symbol():
    async def scene(gateway, client, errors):
        rows = [row.contract for row in client.portfolio()]
        assert {contract.exchange for contract in rows} == {""}
        assert all(contract.primaryExchange for contract in rows)
        option = next(contract for contract in rows if contract.secType == "OPT")
        assert len(option.localSymbol) == 21
        assert option.multiplier == "100"

    play(scene)


def test_the_same_seed_gives_the_same_account_over_the_wire():
    async def account(seed: int) -> list[tuple[Any, ...]]:
        now = datetime(2026, 11, 24, 15, tzinfo=UTC)
        config = GatewayConfig(seed=seed, clock=lambda: now)
        async with running_gateway(config) as gateway, a_client(gateway) as (client, _):
            rows = [
                (r.contract.localSymbol, r.position, r.averageCost, r.marketPrice) for r in client.portfolio()
            ]
            return [*rows, (client.managedAccounts()[0], gateway.account.cash)]

    async def main() -> None:
        assert await account(3) == await account(3)
        assert await account(3) != await account(4)

    anyio.run(main)


def test_two_clients_are_served_at_once_and_each_has_its_own_lines():
    async def scene(gateway, first, errors):
        async with a_client(gateway, 2) as (second, _):
            (stock,) = routed(first, "STK", "KO")
            one, other = first.reqMktData(stock), second.reqMktData(stock)
            await until(lambda: one.last > 0 and other.last > 0)
            assert (gateway.open_lines(1), gateway.open_lines(2), gateway.open_lines()) == (1, 1, 2)
        await until(lambda: gateway.open_lines() == 1)

    play(scene)


def test_a_client_id_in_use_is_refused_with_326():
    async def scene(gateway, client, errors):
        peer = await Peer.connected(gateway)
        async with peer.stream:
            await peer.send("71", "2", "1", "")
            assert (await peer.until_id("4"))[3] == "326"
            assert await peer.is_closed()
        assert client.isConnected()

    play(scene)


def test_dropped_clients_see_the_connection_end():
    async def scene(gateway, client, errors):
        gateway.drop_clients()
        await until(lambda: not client.isConnected())
        assert client.positions() == []

    play(scene)


# -- market data -------------------------------------------------------------------------------------------------


def test_every_position_gets_prices_and_every_option_model_greeks():
    async def scene(gateway, client, errors):
        tickers = [client.reqMktData(contract) for contract in routed(client)]
        options = [ticker for ticker in tickers if ticker.contract.secType == "OPT"]
        await until(lambda: all(ticker.modelGreeks for ticker in options))
        for ticker in options:
            greeks = ticker.modelGreeks
            assert 0.03 < greeks.impliedVol < 4
            assert greeks.gamma >= 0
            assert greeks.vega >= 0
            assert (greeks.delta > 0) == (ticker.contract.right == "C") or abs(greeks.delta) < 1e-3
            assert 0 <= ticker.bid < ticker.ask
        for ticker in (ticker for ticker in tickers if ticker.contract.secType == "STK"):
            assert 0 < ticker.bid < ticker.ask
            assert ticker.bid <= ticker.last <= ticker.ask

    play(scene)


def test_index_and_vix_options_are_computed_on_their_forwards():
    async def scene(gateway, client, errors):
        (vix_option, *_), spx_options = routed(client, "OPT", "VIX"), routed(client, "OPT", "SPX")
        spx_option = next(one for one in spx_options if one.tradingClass == "SPX")
        spx, vix = ib.Index("SPX", "CBOE", "USD"), ib.Index("VIX", "CBOE", "USD")
        tickers = [client.reqMktData(one) for one in (vix_option, spx_option, spx, vix)]
        await until(lambda: tickers[0].modelGreeks and tickers[1].modelGreeks and tickers[3].last > 0)
        on_vix, on_spx, spx_ticker, vix_ticker = tickers
        assert on_vix.modelGreeks.undPrice > 1.02 * vix_ticker.last  # the future of a calm market is higher
        assert 1.0005 < on_spx.modelGreeks.undPrice / spx_ticker.last < 1.01
        assert on_vix.modelGreeks.impliedVol > 0.6

    play(scene)


def test_an_untraded_option_has_no_last_and_sentinels_for_its_computation():
    async def scene(gateway, client, errors):
        tickers = [client.reqMktData(contract) for contract in routed(client, "OPT")]
        await until(lambda: all(ticker.lastGreeks for ticker in tickers))
        untraded = [ticker for ticker in tickers if ticker.lastGreeks.impliedVol is None]
        assert 0 < len(untraded) < len(tickers)
        for ticker in untraded:
            assert ticker.last != ticker.last  # NaN: never sent
            assert (ticker.lastGreeks.delta, ticker.lastGreeks.optPrice) == (None, None)
            assert (ticker.lastGreeks.vega, ticker.lastGreeks.theta) == (-2.0, -2.0)

    play(scene)


def test_the_underlying_tells_volatilities_and_dividends_when_asked():
    async def scene(gateway, client, errors):
        (stock,) = routed(client, "STK", "AAPL")
        ticker = client.reqMktData(stock, "104,106,456")
        await until(lambda: ticker.impliedVolatility > 0 and ticker.histVolatility > 0 and ticker.dividends)
        assert ticker.impliedVolatility == pytest.approx(gateway.world.market.iv30("AAPL"), abs=0.005)
        assert ticker.dividends.nextAmount == 0.27
        today = gateway.exchange_time().date()
        assert today < ticker.dividends.nextDate < today + timedelta(days=40)

    play(scene)


def test_a_list_with_the_tick_type_13_is_refused_in_the_brokers_words():
    async def scene(gateway, client, errors):
        option = routed(client, "OPT")[0]
        ticker = client.reqMktData(option, "13,106")
        await until(lambda: 321 in errors.codes())
        assert errors.text(321) == (
            "Error validating request.-'bQ' : cause - Incorrect generic tick list of 13,106.  "
            f"Legal ones for (OPT) are: {LEGAL}"
        )
        assert gateway.open_lines() == 0
        assert ticker.modelGreeks is None

    play(scene)


def test_legal_lists_for_options_are_taken():
    async def scene(gateway, client, errors):
        option = routed(client, "OPT")[0]
        ticker = client.reqMktData(option, "100,101,106,221")
        await until(lambda: ticker.modelGreeks and ticker.markPrice > 0)
        assert 321 not in errors.codes()

    play(scene)


def test_a_contract_without_exchange_is_refused():
    async def scene(gateway, client, errors):
        client.reqMktData(client.portfolio()[0].contract)
        await until(lambda: 321 in errors.codes())
        assert errors.text(321).endswith("cause - Please enter exchange")

    play(scene)


def test_more_lines_than_allowed_are_refused_with_101_until_one_is_given_back():
    async def scene(gateway, client, errors):
        contracts = routed(client)
        for contract in contracts[:4]:
            client.reqMktData(contract)
        await until(lambda: 101 in errors.codes())
        assert errors.text(101) == "Max number of tickers has been reached."
        assert gateway.open_lines() == 3
        client.cancelMktData(contracts[0])
        ticker = client.reqMktData(contracts[5])
        await until(lambda: ticker.bid > 0)

    play(scene, max_lines=3)


def test_cancelling_what_does_not_exist_is_answered_by_300():
    async def scene(gateway, client, errors):
        client.client.cancelMktData(4711)
        await until(lambda: 300 in errors.codes())
        assert errors.text(300) == "Can't find EId with tickerId:4711"

    play(scene)


def test_a_snapshot_ends_and_frees_its_line():
    async def scene(gateway, client, errors):
        (ticker,) = await client.reqTickersAsync(routed(client, "STK", "KO")[0])
        assert ticker.bid > 0
        assert gateway.open_lines() == 0

    play(scene)


def test_a_hundred_lines_of_fresh_options_are_answered_promptly():
    async def scene(gateway, client, errors):
        rights = [
            ib.Option("MSFT", "", strike, right, "SMART") for strike in range(400, 600, 5) for right in "CP"
        ]
        expiry = gateway.world.directory.chains(272093, gateway.clock())[0].expirations[4]
        for contract in rights:
            contract.lastTradeDateOrContractMonth = expiry
        client.client.MaxRequests = 0
        tickers = [client.reqMktData(contract) for contract in rights]
        await until(lambda: all(ticker.modelGreeks for ticker in tickers), 3)

    play(scene)


def test_a_move_is_on_the_line_at_once_and_carries_the_options_along():
    async def scene(gateway, client, errors):
        (stock,) = routed(client, "STK", "AAPL")
        call = next(one for one in routed(client, "OPT", "AAPL") if one.right == "C")
        seen: list[float] = []
        ticker, option = client.reqMktData(stock), client.reqMktData(call)
        ticker.updateEvent += lambda update: seen.append(update.last)
        await until(lambda: ticker.last > 0 and option.modelGreeks)
        delta = option.modelGreeks.delta
        before = ticker.last
        gateway.move("AAPL", round(1.05 * before, 2))
        await until(lambda: round(1.05 * before, 2) in seen, 1)
        await until(lambda: option.modelGreeks.delta > 1.3 * delta, 2)

    play(scene)


def test_a_crash_reaches_the_portfolio_rows_and_the_account():
    async def scene(gateway, client, errors):
        before = {row.contract.conId: row.marketPrice for row in client.portfolio()}
        worth = net_liquidation(client)
        gateway.crash()
        await until(lambda: net_liquidation(client) < worth)
        stocks = [row for row in client.portfolio() if row.contract.secType == "STK"]
        assert all(row.marketPrice < 0.98 * before[row.contract.conId] for row in stocks)

    play(scene)


def net_liquidation(client: ib.IB) -> float:
    return next(float(row.value) for row in client.accountValues() if row.tag == "NetLiquidation")


# -- contracts and history ---------------------------------------------------------------------------------------


def test_contract_details_are_found_by_id():
    async def scene(gateway, client, errors):
        option = next(c for c in routed(client, "OPT", "AAPL"))
        (details,) = await client.reqContractDetailsAsync(ib.Contract(conId=option.conId))
        assert details.contract.localSymbol == option.localSymbol
        assert (details.underConId, details.underSymbol, details.underSecType) == (265598, "AAPL", "STK")
        assert details.realExpirationDate == option.lastTradeDateOrContractMonth
        assert details.lastTradeTime == "16:00"

    play(scene)


def test_am_settled_options_stop_trading_the_day_before_they_expire():
    async def scene(gateway, client, errors):
        option = next(c for c in routed(client, "OPT", "SPX") if c.tradingClass == "SPX")
        (details,) = await client.reqContractDetailsAsync(option)
        assert option.localSymbol[6:12] == details.realExpirationDate[2:]
        assert option.lastTradeDateOrContractMonth < details.realExpirationDate

    play(scene)


def test_contracts_are_found_by_symbol_and_qualified():
    async def scene(gateway, client, errors):
        chain = (await client.reqSecDefOptParamsAsync("KO", "", "STK", 8894))[0]
        strike = chain.strikes[len(chain.strikes) // 2]
        wanted = ib.Option("KO", chain.expirations[2], strike, "P", "SMART"), ib.Stock("TSLA", "SMART", "USD")
        option, stock = await client.qualifyContractsAsync(*wanted)
        assert option.conId > 0
        assert (stock.conId, stock.primaryExchange) == (76792991, "NASDAQ")

    play(scene)


def test_vix_futures_are_found_by_symbol_and_settle_with_the_options_held():
    async def scene(gateway, client, errors):
        found = await client.reqContractDetailsAsync(ib.Contract(symbol="VIX", secType="FUT", currency="USD"))
        settled = {row.realExpirationDate for row in found}
        held = {one.localSymbol[6:12] for one in routed(client, "OPT", "VIX")}
        assert held
        assert held <= {day[2:] for day in settled}
        for row in found:
            one = row.contract
            assert (one.tradingClass, one.multiplier, one.exchange, one.secType) == (
                "VX",
                "1000",
                "CFE",
                "FUT",
            )
            assert one.lastTradeDateOrContractMonth == row.realExpirationDate
            assert (row.underSymbol, row.underSecType, row.contractMonth) == (
                "VIX",
                "IND",
                row.realExpirationDate[:6],
            )
        (same,) = await client.reqContractDetailsAsync(ib.Contract(conId=found[0].contract.conId))
        assert same.contract == found[0].contract
        first = await client.reqContractDetailsAsync(ib.Future("VIX", found[0].contractMonth, "CFE"))
        assert [row.contract.conId for row in first] == [found[0].contract.conId]

    play(scene)


@pytest.mark.parametrize("wanted", [ib.Future("VIX", exchange="SMART"), ib.Future("KO", exchange="CFE")])
def test_a_future_that_is_not_listed_is_answered_by_200(wanted: ib.Contract):
    async def scene(gateway, client, errors):
        assert await client.reqContractDetailsAsync(wanted) == []
        assert 200 in errors.codes()

    play(scene, positions=1)


def test_a_vix_future_ticks_the_forward_of_the_options_that_settle_with_it():
    async def scene(gateway, client, errors):
        (option, *_) = routed(client, "OPT", "VIX")
        found = await client.reqContractDetailsAsync(ib.Future("VIX", exchange="CFE"))
        future = next(row.contract for row in found if row.realExpirationDate[2:] == option.localSymbol[6:12])
        on_option, on_future = client.reqMktData(option), client.reqMktData(future)
        await until(lambda: on_option.modelGreeks and on_future.bid > 0 and on_future.last > 0)
        forward = on_option.modelGreeks.undPrice
        assert on_future.bid - 0.05 < forward < on_future.ask + 0.05
        assert 0.05 <= round(on_future.ask - on_future.bid, 2) <= 0.15
        assert on_future.close > 0
        calm = on_future.bid
        gateway.crash()
        await until(lambda: on_future.bid > 1.2 * calm)

    play(scene)


def test_an_unknown_contract_is_answered_by_200():
    async def scene(gateway, client, errors):
        assert await client.reqContractDetailsAsync(ib.Stock("NOSUCH", "SMART", "USD")) == []
        assert errors.text(200) == "No security definition has been found for the request"

    play(scene)


def test_the_chain_of_spx_has_both_settlements():
    async def scene(gateway, client, errors):
        chains = {
            chain.tradingClass: chain
            for chain in await client.reqSecDefOptParamsAsync("SPX", "", "IND", 416904)
        }
        assert set(chains) == {"SPX", "SPXW"}
        assert len(chains["SPXW"].expirations) > len(chains["SPX"].expirations)
        assert chains["SPX"].multiplier == "100"
        held = routed(client, "OPT", "SPX")
        assert all(c.strike in chains[c.tradingClass].strikes for c in held)

    play(scene)


def test_two_years_of_daily_bars_end_at_todays_spot():
    async def scene(gateway, client, errors):
        (stock,) = routed(client, "STK", "AAPL")
        for what in ("TRADES", "ADJUSTED_LAST"):
            bars = await client.reqHistoricalDataAsync(stock, "", "2 Y", "1 day", what, True)
            assert len(bars) > 490
            assert bars[-1].close == pytest.approx(gateway.world.spot("AAPL"), rel=0.002)
            assert all(one.date < other.date for one, other in pairwise(bars))

    play(scene)


def test_volatility_bars_of_an_underlying_are_decimals_per_year():
    async def scene(gateway, client, errors):
        index = ib.Index("SPX", "CBOE", "USD")
        for what in ("OPTION_IMPLIED_VOLATILITY", "HISTORICAL_VOLATILITY"):
            bars = await client.reqHistoricalDataAsync(index, "", "1 Y", "1 day", what, True)
            assert 240 < len(bars) < 260
            assert all(0.03 < bar.close < 1.5 for bar in bars)
        assert gateway.world.market.iv30("SPX") == pytest.approx(0.15, abs=0.01)

    play(scene)


def test_an_option_has_no_history():
    async def scene(gateway, client, errors):
        option = routed(client, "OPT")[0]
        bars = await client.reqHistoricalDataAsync(
            option, "", "1 Y", "1 day", "OPTION_IMPLIED_VOLATILITY", True
        )
        assert list(bars) == []
        assert errors.text(162).startswith(
            "Historical Market Data Service error message:HMDS query returned no data"
        )

    play(scene)


# -- account ------------------------------------------------------------------------------------------------------


def test_the_third_account_summary_is_refused_even_when_one_was_cancelled():
    async def scene(gateway, client, errors):
        for req_id in (901, 902):
            client.client.reqAccountSummary(req_id, "All", "NetLiquidation,$LEDGER:ALL")
        client.client.cancelAccountSummary(901)
        client.client.reqAccountSummary(902, "All", "NetLiquidation")
        client.client.reqAccountSummary(903, "All", "NetLiquidation")
        await until(lambda: 322 in errors.codes())
        assert [req_id for req_id, code, _ in errors if code == 322] == [903]
        assert "Maximum number of account summary requests exceeded" in errors.text(322)

    play(scene)


def test_account_summary_carries_the_tags_asked_for():
    async def scene(gateway, client, errors):
        rows = await client.accountSummaryAsync()
        tags = {row.tag for row in rows}
        assert {"NetLiquidation", "MaintMarginReq", "Cushion"} <= tags
        assert "CashBalance" in {row.tag for row in rows if row.account == "All"}

    play(scene)


def test_profit_and_loss_streams():
    async def scene(gateway, client, errors):
        name, option = gateway.account.name, routed(client, "OPT")[0]
        whole, single = client.reqPnL(name), client.reqPnLSingle(name, "", option.conId)
        await until(lambda: whole.unrealizedPnL == whole.unrealizedPnL and single.value == single.value)
        assert single.position == next(
            r.position for r in client.portfolio() if r.contract.conId == option.conId
        )

    play(scene)


def test_the_gateways_clock_is_told():
    async def scene(gateway, client, errors):
        told = await client.reqCurrentTimeAsync()
        assert abs(told - gateway.clock()) < timedelta(seconds=2)

    play(scene)


def test_an_order_is_a_violation_and_refused():
    async def scene(gateway, client, errors):
        assert gateway.violations == []
        client.placeOrder(routed(client, "STK", "KO")[0], ib.MarketOrder("BUY", 1))
        client.client.reqGlobalCancel()
        await until(lambda: len(gateway.violations) == 2)
        assert [one.message_id for one in gateway.violations] == ["3", "58"]
        await until(lambda: 321 in errors.codes())

    play(scene)


def test_everything_received_is_recorded():
    async def scene(gateway, client, errors):
        seen = [one.message_id for one in gateway.received]
        assert seen[0] == "71"
        assert {"61", "6", "76", "7"} <= set(seen)
        assert gateway.received[-1].client_id == 1
        assert abs(gateway.received[0].at - gateway.clock()) < timedelta(seconds=30)

    play(scene)


# -- raw bytes ----------------------------------------------------------------------------------------------------


class Peer:
    """A client made of bytes."""

    def __init__(self, stream: anyio.abc.SocketStream) -> None:
        self.stream, self.buffer = stream, b""

    @classmethod
    async def connected(cls, gateway: Gateway, offer: bytes = b"v157..178") -> "Peer":
        peer = cls(await anyio.connect_tcp("127.0.0.1", gateway.port))
        await peer.stream.send(b"API\0" + len(offer).to_bytes(4, "big") + offer)
        return peer

    async def send(self, *fields: str, step: int = 0) -> None:
        payload = "".join(field + "\0" for field in fields).encode()
        data = len(payload).to_bytes(4, "big") + payload
        for i in range(0, len(data), step or len(data)):
            await self.stream.send(data[i : i + (step or len(data))])

    async def fields(self) -> list[str]:
        with anyio.fail_after(10):
            while len(self.buffer) < 4 or len(self.buffer) < 4 + int.from_bytes(self.buffer[:4], "big"):
                self.buffer += await self.stream.receive()
        end = 4 + int.from_bytes(self.buffer[:4], "big")
        payload, self.buffer = self.buffer[4:end], self.buffer[end:]
        return payload.decode().split("\0")[:-1]

    async def until_id(self, message_id: str) -> list[str]:
        while True:
            fields = await self.fields()
            if fields[0] == message_id:
                return fields

    async def is_closed(self) -> bool:
        with anyio.fail_after(10):
            try:
                while True:
                    await self.stream.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                return True


def converse(scene: Callable[[Gateway, Peer], Awaitable[None]], offer: bytes = b"v157..178") -> None:
    async def main() -> None:
        async with running_gateway(GatewayConfig(positions=3)) as gateway:
            peer = await Peer.connected(gateway, offer)
            async with peer.stream:
                await scene(gateway, peer)

    anyio.run(main)


@pytest.mark.parametrize(
    ("offer", "agreed"), [(b"v157..176", "176"), (b"v157..178", "178"), (b"v100..223 +PACEAPI", "178")]
)
def test_the_version_is_the_clients_newest_up_to_178(offer: bytes, agreed: str):
    async def scene(gateway, peer):
        version, time = await peer.fields()
        assert version == agreed
        assert time.startswith("20")

    converse(scene, offer)


def test_accounts_come_before_the_next_id_and_the_farm_notices():
    async def scene(gateway, peer):
        await peer.fields()
        await peer.send("71", "2", "9", "")
        first, second, third = [await peer.fields() for _ in range(3)]
        assert first == ["15", "1", gateway.account.name]
        assert second == ["9", "1", "1"]
        assert third[:4] == ["4", "2", "-1", "2104"]
        assert len(third) == 6

    converse(scene)


def test_small_messages_leave_without_waiting_for_more():
    async def scene(gateway, peer):
        await peer.fields()
        accepted = gateway.sessions[0]._stream.extra(anyio.abc.SocketAttribute.raw_socket)
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    converse(scene)


def test_requests_in_one_byte_segments_are_understood():
    async def scene(gateway, peer):
        await peer.fields()
        await peer.send("71", "2", "9", "", step=1)
        await peer.send("61", "1", step=1)
        rows = [await peer.until_id("61") for _ in range(3)]
        assert all(len(row) == 16 for row in rows)
        assert await peer.until_id("62") == ["62", "1"]

    converse(scene)


@pytest.mark.parametrize("request_fields", [("9999", "1"), ("hello",), ("",), ("1", "11"), ("20", "x", "y")])
def test_what_is_not_understood_is_answered_by_an_error_notice(request_fields: tuple[str, ...]):
    async def scene(gateway, peer):
        await peer.fields()
        await peer.send(*request_fields)
        assert (await peer.until_id("4"))[3] in ("505", "320")
        await peer.send("49", "1")
        assert (await peer.until_id("49"))[1] == "1"

    converse(scene)


@pytest.mark.parametrize(
    "garbage", [b"GET / HTTP/1.1\r\n\r\n", b"API\0\xff\xff\xff\xff....", b"API\0\0\0\0\3abc"]
)
def test_garbage_closes_just_that_client(garbage: bytes):
    async def main() -> None:
        async with running_gateway(GatewayConfig(positions=3)) as gateway, a_client(gateway) as (client, _):
            peer = Peer(await anyio.connect_tcp("127.0.0.1", gateway.port))
            async with peer.stream:
                await peer.stream.send(garbage)
                assert await peer.is_closed()
            assert client.isConnected()
            assert await client.reqCurrentTimeAsync()

    anyio.run(main)


def test_option_computations_have_twelve_fields_and_none_is_empty():
    async def scene(gateway, peer):
        await peer.fields()
        option = next(row.instrument for row in gateway.account.positions if row.instrument.is_option)
        contract = (str(option.con_id), "", "", "", "0.0", "", "", "SMART", "", "", "", "")
        await peer.send("1", "11", "5", *contract, "0", "", "0", "0", "")
        assert (await peer.until_id("58")) == ["58", "1", "5", "1"]
        seen = {}
        while len(seen) < 4:
            fields = await peer.until_id("21")
            assert len(fields) == 12
            assert all(fields)
            seen[fields[2]] = fields
        assert set(seen) == {"10", "11", "12", "13"}

    converse(scene)


# -- the command line -----------------------------------------------------------------------------------------------

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "simulator.gateway"]


def test_the_program_says_where_it_listens_and_ends_with_its_parents_stdin():
    program = subprocess.Popen(
        [*COMMAND, "--port", "0", "--positions", "2", "--exit-with-stdin"],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with program:
        told = json.loads(program.stdout.readline())
        assert set(told) == {"port", "account", "earnings"}
        assert told["port"] > 0
        assert told["account"].startswith("DU")
        program.stdin.close()
        assert program.wait(timeout=10) == 0
        assert program.stdout.read() == ""


def test_a_port_in_use_is_said_in_one_line():
    async def main() -> subprocess.CompletedProcess[bytes]:
        async with running_gateway(GatewayConfig(positions=1)) as gateway:
            command = [*COMMAND, "--port", str(gateway.port), "--positions", "1"]
            return await anyio.run_process(command, cwd=ROOT, check=False)

    ended = anyio.run(main)
    assert ended.returncode == 2
    assert ended.stdout == b""
    (line,) = ended.stderr.decode().splitlines()
    assert "cannot listen on 127.0.0.1:" in line


def test_an_event_that_does_not_exist_is_refused_with_one_that_does():
    ended = subprocess.run(
        [*COMMAND, "--event", "boom@1s"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert "crash@60s" in ended.stderr


def test_a_crash_comes_when_it_was_ordered():
    async def main() -> None:
        from simulator.gateway import parse_event

        config = GatewayConfig(positions=2, events=(parse_event("crash@0.1s"),))
        async with running_gateway(config) as gateway:
            start = gateway.world.spot("SPX")
            await until(lambda: gateway.world.spot("SPX") < 0.925 * start, 15)

    anyio.run(main)
