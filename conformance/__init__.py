"""The official conformance suite, directly and through the gateway, and the sets compared: `python -m conformance`."""
