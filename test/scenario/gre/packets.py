"""gre: IP in GRE of four bytes (RFC 2784), without checksum, key or sequence number."""

from tunnels import packets  # noqa: F401
