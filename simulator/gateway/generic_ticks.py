"""Generic tick lists: which ids are legal for which type of instrument, and the broker's refusal in its own words."""

_STOCK = (
    "100(Option Volume),101(Option Open Interest),105(Average Opt Volume),106(impvolat),165(Misc. Stats),"
    "221/220(Creditman Mark Price),225(Auction),232/221(Pl Price),233(RTVolume),236(inventory),"
    "258/47(Fundamentals),292(Wide_news),293(TradeCount),294(TradeRate),295(VolumeRate),318(LastRTHTrade),"
    "375(RTTrdVolume),411(rthistvol),456/59(IBDividends),460(Bond Factor Multiplier),577(EtfNavLast(navlast)),"
    "586(IPOHLMPRC),587(Pl Price Delayed),588(Futures Open Interest),595(Short-Term Volume X Mins),"
    "614(EtfNavMisc(high/low)),619(Creditman Slow Mark Price),623(EtfFrozenNavLast(fznavlast))"
)
_INDEX = _STOCK.replace(",595(Short-Term Volume X Mins)", "").replace(
    ",165(Misc. Stats)", ",162(Index Future Premium),165(Misc. Stats)"
)
LEGAL_TEXT = {"STK": _STOCK, "OPT": _STOCK, "FUT": _STOCK, "IND": _INDEX}
_UNLISTED = {104}  # accepted, though the list does not show it


class IllegalTicks(Exception):
    """One bad id refuses the whole list; the text is the broker's."""


def parse(text: str, sec_type: str) -> frozenset[int]:
    """The generic ticks asked for.

    Args:
        text: ids with commas between them; empty for none. `mdoff` is ignored.
        sec_type: STK, OPT, FUT or IND.
    Raises:
        IllegalTicks: If an id is not legal for the type.
    """
    tokens = [token.strip() for token in text.split(",") if token.strip()]
    wanted = [token for token in tokens if token != "mdoff"]  # noqa: S105 - a word of the protocol
    legal = _legal(sec_type)
    if not all(token.isdecimal() and int(token) in legal for token in wanted):
        listed = LEGAL_TEXT[sec_type]
        raise IllegalTicks(
            f"Error validating request.-'bQ' : cause - Incorrect generic tick list of {text}.  "
            f"Legal ones for ({sec_type}) are: {listed}"
        )
    return frozenset(int(token) for token in wanted)


def _legal(sec_type: str) -> set[int]:
    """The first number of each entry; 221 and 232 both stand for the mark price."""
    entries = LEGAL_TEXT[sec_type].split("),")
    return {int(entry.split("(")[0].split("/")[0]) for entry in entries} | _UNLISTED
