"""mss_clamp: the MSS of SYN and SYN-ACK is lowered, never raised; at odd places in the options too (RFC 9293 section 3.7.1)."""

from frames import FAMILIES, TCP, ip_of, routed, tcp

OPTIONS = {
    "alone": lambda mss: [("MSS", mss)],
    "usual": lambda mss: [("MSS", mss), ("SAckOK", b""), ("Timestamp", (1, 0)), ("NOP", None), ("WScale", 7)],
    "odd": lambda mss: [("NOP", None), ("MSS", mss), ("WScale", 7)],
    "behind odd": lambda mss: [("WScale", 7), ("MSS", mss), ("NOP", None)],
    "behind even": lambda mss: [("SAckOK", b""), ("MSS", mss)],
}


def packets(s):
    for family in FAMILIES:
        for make in OPTIONS.values():
            for mss in (0, 536, 999, 1000, 1001, 1399, 1400, 1401, 1460, 8960, 65535):
                one(s, family, make, mss)
        for flags in ("A", "PA", "FA", "R"):  # no place for an MSS
            frame = family.request(tcp(40001, 80, flags, options=[("MSS", 9000)]))
            s.forwards(frame, routed(frame, dst=family.backend(11), dport=8080))
        frame = family.request(tcp(40002, 80, "S", b"data", options=[("SAckOK", b"")]))
        s.forwards(frame, routed(frame, dst=family.backend(11), dport=8080))


def one(s, family, make, mss):
    frame = family.request(tcp(options=make(mss)))
    expected = routed(frame, dst=family.backend(11), dport=8080)
    expected[TCP].options = make(min(mss, 1400))
    s.forwards(frame, expected)
    back = family.reply(tcp(8080, 40000, "SA", options=make(mss)))
    expected = routed(back, src=family.vip(), sport=80)
    expected[TCP].options = make(min(mss, 1400))
    s.forwards(back, expected)
    frame = family.request(tcp(options=make(mss)), vip=2)
    s.forwards(frame, routed(frame, dst=family.backend(12), dport=8080))
    frame = family.request(tcp(options=make(mss)), vip=3)
    expected = routed(frame, src=family.address, dst=family.backend(13), dport=8080)
    expected[TCP].options = make(min(mss, 1000))
    s.forwards(frame, expected, free=[("TCP", "sport")])


def replies(s, sent):
    for frame, seen in sent:
        family = next((family for family in FAMILIES if ip_of(seen).dst == family.backend(13)), None)
        if family is None:
            continue
        for make in OPTIONS.values():
            back = family.reply(tcp(8080, seen[TCP].sport, "SA", options=make(1460)), backend=13)
            ip_of(back).dst = family.address
            expected = routed(back, src=family.vip(3), dst=family.client(), sport=80, dport=40000)
            expected[TCP].options = make(1000)
            s.forwards(back, expected)
        return
