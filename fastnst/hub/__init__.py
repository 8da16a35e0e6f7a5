"""Styles on the Hugging Face hub: addresses and checked downloads, with the standard library alone."""

from fastnst.hub.address import HubAddress, is_hub_address, parse_hub_address
from fastnst.hub.client import fetch_style

__all__ = ["HubAddress", "fetch_style", "is_hub_address", "parse_hub_address"]
