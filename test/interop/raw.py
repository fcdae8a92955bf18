"""A BGP neighbour byte by byte, with sockets of a namespace's own: the test decides each message."""

import contextlib
import ctypes
import os
import socket
import struct
import time

_libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000

OPEN, UPDATE, NOTIFICATION, KEEPALIVE, REFRESH = 1, 2, 3, 4, 5


@contextlib.contextmanager
def inside(namespace):
    """Sockets made in here belong to the namespace, wherever they are used later."""
    with open("/proc/self/ns/net") as own, open(f"/run/netns/{namespace.name}") as other:
        if _libc.setns(other.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        try:
            yield
        finally:
            if _libc.setns(own.fileno(), CLONE_NEWNET) != 0:
                os._exit(70)  # in the wrong namespace nothing must go on


def message(kind, body=b"", length=None):
    return b"\xff" * 16 + struct.pack("!HB", 19 + len(body) if length is None else length, kind) + body


def capability(code, value=b""):
    return bytes([code, len(value)]) + value


CAPABILITIES = (capability(1, bytes([0, 1, 0, 1])) + capability(1, bytes([0, 2, 0, 1])) + capability(2)
                + capability(65, struct.pack("!I", 65000)))


def open_message(asn=65000, hold=9, router_id="10.10.1.1", capabilities=CAPABILITIES, version=4):
    parameter = bytes([2, len(capabilities)]) + capabilities if capabilities else b""
    return message(OPEN, struct.pack("!BHH4sB", version, asn, hold, socket.inet_aton(router_id), len(parameter))
                   + parameter)


def update(withdrawn=b"", attributes=b"", nlri=b""):
    return message(UPDATE, struct.pack("!H", len(withdrawn)) + withdrawn
                   + struct.pack("!H", len(attributes)) + attributes + nlri)


KEEPALIVE_MESSAGE = message(KEEPALIVE)


class Raw:
    """One connection: accepted from, or made to, the speaker."""

    def __init__(self, connection):
        self.socket, self.buffer = connection, b""
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @classmethod
    def connect(cls, namespace, address, port=179, timeout=10, source=None, receive_buffer=None):
        """Tries until somebody listens."""
        deadline = time.monotonic() + timeout
        while True:
            with inside(namespace):
                s = socket.socket()
            s.settimeout(5)
            if receive_buffer:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            if source:
                s.bind((source, 0))
            try:
                s.connect((address, port))
                return cls(s)
            except OSError as error:
                s.close()
                if not isinstance(error, ConnectionRefusedError) or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def send(self, data):
        self.socket.sendall(data)

    def receive(self, timeout=10):
        """(type, body) of the next message; (0, b"") at the end of the stream."""
        deadline = time.monotonic() + timeout
        while True:
            if len(self.buffer) >= 19:
                length, kind = struct.unpack_from("!HB", self.buffer, 16)
                if len(self.buffer) >= length:
                    body, self.buffer = self.buffer[19:length], self.buffer[length:]
                    return kind, body
            self.socket.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                return 0, b""
            self.buffer += data

    def until(self, kind, timeout=10):
        """The body of the next message of that type; what else comes is answered by nothing."""
        deadline = time.monotonic() + timeout
        while True:
            got, body = self.receive(max(deadline - time.monotonic(), 0.001))
            if got == kind:
                return body
            if got in (0, NOTIFICATION):
                raise AssertionError(f"{got} {body.hex()} instead of a message of type {kind}")

    def notification(self, timeout=10):
        """The body of the NOTIFICATION that comes, and after it nothing but the end."""
        while True:
            kind, body = self.receive(timeout)
            if kind == NOTIFICATION:
                assert self.receive(timeout) == (0, b"")
                return body
            assert kind != 0, "the connection ended without a NOTIFICATION"

    def establish(self, opening=None):
        self.until(OPEN)
        self.send(opening or open_message())
        self.until(KEEPALIVE)
        self.send(KEEPALIVE_MESSAGE)
        return self

    def close(self):
        self.socket.close()


class Listener:
    def __init__(self, namespace, address, port=179):
        with inside(namespace):
            self.socket = socket.create_server((address, port))

    def accept(self, timeout=10):
        self.socket.settimeout(timeout)
        return Raw(self.socket.accept()[0])

    def close(self):
        self.socket.close()
