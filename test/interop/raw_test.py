#!/usr/bin/python3
"""lib/bgp's speaker against a neighbour that the test plays byte by byte (raw.py): what no router sends."""

import contextlib
import statistics
import time
from pathlib import Path

from raw import *  # noqa: F403
from routers import *  # noqa: F403
from systemtest import SystemTest, main

ORIGIN, PATH, HOP = (bytes.fromhex(x) for x in ("40010100", "400206020100 00fde8", "4003040a0a0101"))
GOOD = ORIGIN + PATH + HOP
NLRI = bytes.fromhex("20c0000201")  # 192.0.2.1/32
MARKER = b"\xff" * 16


class RawTest(SystemTest):
    @classmethod
    def setUpClass(cls):
        pass

    def setUp(self):
        self.lab = Lab("raw")
        self.addCleanup(self.lab.close)
        self.net = Link(self.lab)

    def passive(self, **peer):
        """A speaker that is connected to."""
        peer = dict(dict(address=RTR, asn=65000, passive=True, next_hop_v6=LB6), **peer)
        return Speaker(self.net.lb, listen=["0.0.0.0:179"], peers=[peer])

    def connect(self, **options):
        raw = Raw.connect(self.net.rtr, LB, **options)
        self.addCleanup(raw.close)
        return raw

    def test_open_in_segments_of_one_byte(self):
        lb = self.passive()
        raw = self.connect()
        raw.until(OPEN)
        for byte in open_message() + KEEPALIVE_MESSAGE:
            raw.send(bytes([byte]))
        raw.until(KEEPALIVE)
        lb.up(RTR)

    def test_broken_headers(self):
        self.passive()
        for bytes_, expected in (
                (b"\xff" * 15 + b"\0" + b"\0\x13\x04", "0101"),
                (b"GET / HTTP/1.1\r\n", "0101"),
                (MARKER + b"\0\x12\x04", "01020012"),
                (MARKER + b"\x10\x01\x02", "01021001"),
                (message(KEEPALIVE, b"\0"), "01020014"),
                (message(OPEN, b"", 28), "0102001c"),
                (message(9), "010309"),
                (message(0), "010300")):
            # Once it has offered RFC 8654, the speaker waits for what is behind a length of 4097.
            for established in (False, True) if expected != "01021001" else (False,):
                raw = self.connect()
                raw.establish() if established else raw.until(OPEN)
                raw.send(bytes_)
                self.assertEqual(raw.notification().hex(), expected, bytes_)
                raw.close()

    def test_broken_opens(self):
        self.passive()
        for bytes_, expected in (
                (open_message(version=3), "02010004"),
                (open_message(asn=65001, capabilities=b""), "0202"),
                (open_message(router_id="0.0.0.0"), "0203"),
                (open_message(hold=1), "0206"),
                (open_message(hold=2), "0206"),
                (open_message(capabilities=capability(1, bytes([0, 25, 0, 65])) + capability(65, b"\0\0\xfd\xe8")),
                 "0207" "010400010001" "010400020001"),
                (message(OPEN, bytes.fromhex("04fde800090a0a0101 03 010100")), "0204"),
                (message(OPEN, bytes.fromhex("04fde800090a0a0101 05 020341 0400")), "0200"),
                (KEEPALIVE_MESSAGE, "050104"),
                (update(), "050102")):
            raw = self.connect()
            raw.until(OPEN)
            raw.send(bytes_)
            self.assertEqual(raw.notification().hex(), expected)
            raw.close()

    def test_messages_out_of_turn(self):
        self.passive()
        raw = self.connect()
        raw.until(OPEN)
        raw.send(open_message() + open_message())
        self.assertEqual(raw.notification().hex(), "050201")
        raw = self.connect().establish()
        raw.send(open_message())
        self.assertEqual(raw.notification().hex(), "050301")

    def test_rfc7606(self):
        lb = self.passive()
        raw = self.connect().establish()
        lb.up(RTR)
        bad = [bytes.fromhex(x) for x in (
            "40010103", "4001020000",  # ORIGIN
            "400206050100 00fde8", "40020602020000fde8", "4002020200",  # AS_PATH
            "80040300 0001", "c0080300fde9", "c00800", "c0100740 04fde9497424", "c0200b" + "00" * 11)]
        for number, attribute in enumerate(bad, 1):
            raw.send(update(attributes=GOOD, nlri=NLRI))
            wait_for(lambda: "192.0.2.1" in lb.heard(RTR), 5, "a good route")
            rest = b"".join(a for a in (ORIGIN, PATH, HOP) if a[1] != attribute[1])
            raw.send(update(attributes=rest + attribute, nlri=NLRI))
            wait_for(lambda: "192.0.2.1" not in lb.heard(RTR), 5, f"the withdrawal by {attribute.hex()}")
            self.assertEqual(lb.neighbor(RTR)["treated_as_withdraw"], number)
        self.assertEqual(lb.neighbor(RTR)["flaps"], 0)
        # Attributes that are discarded leave the route: ATOMIC_AGGREGATE, AGGREGATOR, LOCAL_PREF from outside.
        raw.send(update(attributes=GOOD + bytes.fromhex("40060100c0070400000000400503000064"), nlri=NLRI))
        wait_for(lambda: "192.0.2.1" in lb.heard(RTR), 5, "the route")
        # And what cannot be read at all ends the session.
        raw.send(update(attributes=GOOD, nlri=bytes.fromhex("21c000020100")))
        self.assertEqual(raw.notification().hex(), "030a")
        self.assertEqual(lb.neighbor(RTR)["flaps"], 1)

    def test_longest_messages(self):
        lb = self.passive()
        for i in range(2000):
            lb.announce(f"10.1.{i // 256}.{i % 256}")
        raw = self.connect().establish()
        # The neighbour did not offer RFC 8654, and gets no message longer than 4096 bytes.
        sizes = []
        while max(sizes, default=0) < 4000:
            sizes.append(19 + len(raw.until(UPDATE)))
        self.assertLessEqual(max(sizes), 4096)
        longest = bytes.fromhex("20c6336401") * 814 + bytes.fromhex("10c633")  # 19 + 4 + 4070 + 3 = 4096
        self.assertEqual(len(update(withdrawn=longest)), 4096)
        raw.send(update(withdrawn=longest))
        wait_for(lambda: lb.neighbor(RTR)["heard"]["update"] == 1, 5, "the UPDATE of 4096 bytes")
        # The speaker offers RFC 8654, so it has to take longer ones.
        longer = bytes.fromhex("20c6336401") * 13000
        raw.send(update(withdrawn=longer[:65000]))
        wait_for(lambda: lb.neighbor(RTR)["heard"]["update"] == 2, 5, "the UPDATE of 65 kB")

    def test_hold_expiry_and_keepalives(self):
        self.passive()
        raw = self.connect()
        raw.until(OPEN)
        raw.send(open_message(hold=3))
        raw.until(KEEPALIVE)
        raw.send(KEEPALIVE_MESSAGE)
        begin = time.monotonic()
        last, gaps = begin, []
        while True:
            kind, body = raw.receive()
            if kind == NOTIFICATION:
                break
            if kind == KEEPALIVE:
                gaps.append(time.monotonic() - last)
                last = time.monotonic()
        took = time.monotonic() - begin
        self.assertEqual(body.hex(), "0400")
        self.assertAlmostEqual(took, 3, delta=0.3)  # within 10 %
        self.assertGreaterEqual(len(gaps), 2)
        self.assertLess(max(gaps), 1.1)  # a third, × 0.75 to 1
        self.assertGreater(min(gaps), 0.7)

    def collision(self, router_id, ours_first):
        """Both connections are there; then the OPENs come in the order wanted. Which ones are left: our, their."""
        listener = Listener(self.net.rtr, RTR)
        lb = Speaker(self.net.lb, router_id="10.0.0.106", listen=["0.0.0.0:179"],
                     peers=[dict(address=RTR, asn=65000)])
        ours = listener.accept()  # the speaker's
        ours.until(OPEN)
        theirs = self.connect()
        theirs.until(OPEN)
        first, second = (ours, theirs) if ours_first else (theirs, ours)
        first.send(open_message(router_id=router_id))
        first.until(KEEPALIVE)
        second.send(open_message(router_id=router_id))
        ours_survives = router_id < "10.0.0.106"
        loser, winner = (theirs, ours) if ours_survives else (ours, theirs)
        self.assertEqual(loser.notification().hex(), "0607")
        if winner is second:
            winner.until(KEEPALIVE)
        winner.send(KEEPALIVE_MESSAGE)
        lb.up(RTR)
        self.assertEqual(lb.neighbor(RTR)["last_error"], "")
        lb.kill()
        listener.close()
        ours.close()
        theirs.close()

    def test_collision_where_ours_wins(self):
        for ours_first in (True, False):
            self.collision("10.0.0.1", ours_first)

    def test_collision_where_theirs_wins(self):
        for ours_first in (True, False):
            self.collision("10.10.1.1", ours_first)

    def test_a_neighbour_that_stops_reading(self):
        self.net.lb.sysctl({"net.ipv4.tcp_wmem": "4096 16384 16384"})
        lb = self.passive()
        lb.do("announce_many", count=20000)  # an UPDATE each: more than a megabyte
        before = self.resident(lb)
        raw = self.connect(receive_buffer=4096).establish(open_message(hold=6))
        lb.up(RTR)
        begin = time.monotonic()

        def ended():
            with contextlib.suppress(OSError):
                raw.send(KEEPALIVE_MESSAGE)  # it talks, and does not read
            return lb.neighbor(RTR)["last_error"]

        error = wait_for(ended, 30, "the end of a session that does not read", interval=0.2)
        self.assertEqual(error, "sent send hold timer expired (8/0)")
        self.assertAlmostEqual(time.monotonic() - begin, 12, delta=4)  # twice the hold time
        self.assertIn("stopped reading", lb.neighbor(RTR)["likely_cause"])
        self.assertLess(self.resident(lb) - before, 10000)  # kB
        self.assertEqual(lb.neighbor(RTR)["state"], "Active")

    def resident(self, lb):
        """kB."""
        for line in Path(f"/proc/{lb.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise AssertionError("no VmRSS")

    def test_a_withdrawal_is_on_the_wire_within_10_ms(self):
        lb = self.passive()
        raw = self.connect().establish()
        lb.up(RTR)
        delays = []
        for i in range(50):
            lb.announce("10.1.1.5")
            while bytes.fromhex("200a010105") not in raw.until(UPDATE):
                pass
            raw.send(KEEPALIVE_MESSAGE)
            begin = time.monotonic()
            lb.withdraw("10.1.1.5")
            self.assertEqual(raw.until(UPDATE).hex(), "0005200a0101050000")
            delays.append((time.monotonic() - begin) * 1000)
        self.assertLess(statistics.median(delays), 10, delays)

    def test_neighbours_come_and_go(self):
        lb = Speaker(self.net.lb, listen=["0.0.0.0:179"])
        lb.announce("10.1.1.5")
        lb.do("add", peer=dict(address=RTR, asn=65000, passive=True, password="s3cret"))
        with self.assertRaises(TimeoutError):  # it has to sign from now on
            Raw.connect(self.net.rtr, LB).receive()
        lb.do("remove", neighbor=RTR)
        lb.do("add", peer=dict(address=RTR, asn=65000, passive=True))
        raw = self.connect().establish()
        while bytes.fromhex("200a010105") not in raw.until(UPDATE):
            pass
        with self.assertRaisesRegex(RuntimeError, "is there already"):
            lb.do("add", peer=dict(address=RTR, asn=65000))
        lb.do("remove", neighbor=RTR)
        self.assertEqual(raw.notification().hex(), "0603")
        self.assertEqual(lb.neighbors(), {})
        with self.assertRaisesRegex(RuntimeError, "no BGP neighbour"):
            lb.do("remove", neighbor=RTR)

    def test_strangers_are_refused(self):
        lb = Speaker(self.net.lb, listen=["0.0.0.0:179"], peers=[dict(address="10.10.1.99", asn=65000)])
        raw = self.connect()
        self.assertEqual(raw.receive(), (0, b""))
        self.assertEqual(lb.do("state")["refused_connections"], 1)

    def test_dynamic_neighbours_are_bounded(self):
        lb = Speaker(self.net.lb, listen=["0.0.0.0:179"],
                     dynamic=[dict(prefix="10.10.0.0/16", asn=65000, limit=2)])
        self.net.rtr.ip(*(f"addr add 10.10.1.{i}/24 dev r-lb" for i in (11, 12, 13)))
        held = [self.connect(source=f"10.10.1.{i}").establish() for i in (11, 12)]
        lb.up("10.10.1.12")
        self.assertEqual(self.connect(source="10.10.1.13").receive(), (0, b""))
        held[0].close()
        wait_for(lambda: "10.10.1.11" not in lb.neighbors(), 5, "room for another")
        self.connect(source="10.10.1.13").establish()
        lb.up("10.10.1.13")


if __name__ == "__main__":
    main()
