"""gue: IP in GUE variant 0 in UDP (draft-ietf-intarea-gue): four bytes that name the inner family, no options."""

from tunnels import packets, replies  # noqa: F401
