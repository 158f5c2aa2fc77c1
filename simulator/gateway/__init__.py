"""A simulated IB Gateway: the broker's text protocol over TCP, with an account and a market that moves."""

from simulator.gateway.events import Event, parse_event
from simulator.gateway.faults import Fault, parse_fault
from simulator.gateway.recorder import Received
from simulator.gateway.server import Gateway, GatewayConfig, running_gateway

__all__ = [
    "Event", "Fault", "Gateway", "GatewayConfig", "Received", "parse_event", "parse_fault", "running_gateway",
]  # fmt: skip
