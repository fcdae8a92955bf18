"""fou: IP straight in UDP; the receiver sees the family by the packet's first four bits."""

from tunnels import packets, replies  # noqa: F401
