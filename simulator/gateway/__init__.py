"""A simulated IB Gateway: the broker's text protocol over TCP, with an account and a market that moves."""

from simulator.gateway.events import Event, parse_event
from simulator.gateway.server import Gateway, GatewayConfig, Received, running_gateway

__all__ = ["Event", "Gateway", "GatewayConfig", "Received", "parse_event", "running_gateway"]
