"""vxlan: IP in an Ethernet frame in VXLAN in UDP (RFC 7348), to the MAC address of the backend's VXLAN interface."""

from tunnels import packets, replies  # noqa: F401
