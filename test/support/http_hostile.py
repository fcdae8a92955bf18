#!/usr/bin/python3
"""Hostile HTTP clients: http_hostile.py ADDRESS PORT COUNT [SEED]. Prints {"200": times, "400": times, …, "closed": times} as JSON.

Noise, broken requests, huge headers, pipelines, half closes and resets; every eighth connection is left open and silent, up to
50 at a time. Exit 1 where an answer is no HTTP, or a connection hangs.
"""

import json
import random
import socket
import struct
import sys
from collections import Counter

GET = b"GET /metrics HTTP/1.1\r\nHost: lb\r\n\r\n"
POST = (b"POST /metrics HTTP/1.1\r\nHost: lb\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
        b"5\r\nhello\r\n0\r\n\r\n")
RESET = struct.pack("ii", 1, 0)


def mutated(rng, request):
    data = bytearray(request)
    for _ in range(rng.randint(1, 5)):
        at = rng.randrange(len(data) + 1)
        data[at:at + rng.randint(0, 8)] = rng.randbytes(rng.randint(0, 8))
    return bytes(data)


def request(rng):
    return rng.choice((
        lambda: rng.randbytes(rng.randint(1, 3000)),
        lambda: mutated(rng, GET),
        lambda: mutated(rng, POST),
        lambda: GET[:rng.randrange(len(GET))],
        lambda: b"GET /" + rng.randbytes(20) + b" HTTP/1.1\r\n\r\n",
        lambda: b"GET /metrics HTTP/1.1\r\n" + b"X: " + b"y" * rng.randint(0, 100000) + b"\r\n\r\n",
        lambda: b"GET /metrics HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(rng.randint(1, 2000))) + b"\r\n",
        lambda: b"".join(GET if rng.random() < 0.7 else mutated(rng, GET) for _ in range(rng.randint(2, 10))),
    ))()


def status(answer):
    if not answer:
        return "closed"
    words = answer.split(b"\r\n", 1)[0].split(b" ")
    if words[0] != b"HTTP/1.1" or not words[1].isdigit():
        sys.exit(f"no HTTP: {answer[:80]!r}")
    return words[1].decode()


def main():
    address, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    rng = random.Random(int(sys.argv[4]) if len(sys.argv) > 4 else 1)
    statuses, silent = Counter(), []
    for number in range(count):
        connection = socket.create_connection((address, port), timeout=10)
        if number % 8 == 0:
            silent.append(connection)
            if len(silent) > 50:
                silent.pop(0).close()
            continue
        data = request(rng)
        answer = b""
        try:
            connection.sendall(data)
            if rng.random() < 0.1:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                statuses["left"] += 1
                continue
            connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65536):
                answer += piece
        except (ConnectionResetError, BrokenPipeError):
            pass  # cut while it still sent
        except TimeoutError:
            sys.exit(f"input {number} hangs: {data[:80]!r}")
        finally:
            connection.close()
        statuses[status(answer)] += 1
    print(json.dumps(statuses))


if __name__ == "__main__":
    main()
