"""What answers on the backends, and what unpacks their tunnels."""

import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path

from netlab import wait_for

BUILD = Path(os.environ.get("DPDK_LB_BUILD") or Path(__file__).resolve().parents[2] / "build")

NGINX = """
daemon off;
user root;
worker_processes 1;
worker_rlimit_nofile 16384;
pid nginx.pid;
error_log error.log warn;
events { worker_connections 8192; }
http {
    access_log off;
    default_type text/plain;
    keepalive_timeout 65s;
    keepalive_requests @requests@;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    client_max_body_size 64m;
    server {
@listen@
        root files;
        location = / { return 200 "@name@\\n"; }
        location = /client { return 200 "@name@ $remote_addr\\n"; }
        location /files/ { alias files/; }
    }
}
"""


def nginx(namespace, name, ports=(80, 8080), requests=1000000):
    """nginx with a prefix of its own: / answers its name, /client its name and the client's address as it saw it,
    /files/ what lies in PREFIX/files. A connection ends after `requests` requests. IPv4 and IPv6, keepalive on."""
    prefix = namespace.lab.dir / f"nginx-{name}"
    (prefix / "files").mkdir(parents=True)
    listen = "".join(f"        listen {port} backlog=4096; listen [::]:{port} backlog=4096;\n" for port in ports)
    config = NGINX.replace("@listen@", listen).replace("@name@", name).replace("@requests@", str(requests))
    (prefix / "nginx.conf").write_text(config)
    process = namespace.start(["nginx", "-p", f"{prefix}/", "-e", "error.log", "-c", "nginx.conf"],
                              log=f"nginx-{name}.log")
    process.prefix = prefix
    probe = ["curl", "-s", "-m1", "-o", "/dev/null", f"http://127.0.0.1:{ports[0]}/"]

    def answers():
        if not process.running():
            raise RuntimeError(f"nginx of {name} ended:\n{process.output()}")
        return namespace.run(probe, check=False).returncode == 0

    wait_for(answers, 5, f"nginx of {name} answers")
    return process


def decap(namespace):
    """Unpacks ipip, gre, gue and fou for `namespace` through a TUN device."""
    process = namespace.start([BUILD / "test/support/decap"], log=f"decap-{namespace.short}.log")

    def ready():
        if not process.running():
            raise RuntimeError(f"decap of {namespace.short} ended:\n{process.output()}")
        return "ready\n" in process.output()

    wait_for(ready, 5, f"decap of {namespace.short} is ready")
    return process


def decap_counters(process):
    """{"4in4": packets, "6in4": …, "gre4in6": …, "bad": packets}, as a Counter: what there was none of is left out."""
    before = process.output().count("\n")
    process.signal(signal.SIGUSR1)
    wait_for(lambda: process.output().count("\n") > before, 5, "decap's counters")
    words = process.output().splitlines()[-1].split()
    return Counter(dict(zip(words[::2], map(int, words[1::2]))))


def vxlan(namespace, device, address, mac, vni=1, port=8472):
    """The kernel's VXLAN interface for what the load balancer sends to `address` and, inside, to `mac`."""
    namespace.ip(f"link add {device} address {mac} type vxlan id {vni} dstport {port} local {address} nolearning",
                 f"link set {device} up")


def received(namespace, device):
    """Packets that came by this interface."""
    return json.loads(namespace.run(["ip", "-j", "-s", "link", "show", device]).stdout)[0]["stats64"]["rx"]["packets"]


UDP_ECHO = """
import selectors, socket, sys
name, port = sys.argv[1], int(sys.argv[2])
selector = selectors.DefaultSelector()
IPV6_RECVPKTINFO, IPV6_PKTINFO, IP_PKTINFO = 49, 50, 8
for family, any_address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
    s = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        s.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
    else:
        s.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
    s.bind((any_address, port))
    selector.register(s, selectors.EVENT_READ)
print("ready", flush=True)
while True:
    for key, _ in selector.select():
        data, control, _, peer = key.fileobj.recvmsg(65536, 256)
        answer = f"{name} {peer[0]} ".encode() + data
        # From the address that was asked, whatever interface the way back takes.
        for level, kind, info in control:
            if kind == IP_PKTINFO:
                info = bytes(4) + info[8:12] + bytes(4)
            else:
                info = info[:16] + bytes(4)
            control = [(level, kind, info)]
        try:
            key.fileobj.sendmsg([answer], control, 0, peer)
        except OSError:
            pass  # its link is down meanwhile
"""


def udp_echo(namespace, name, port=53):
    """Answers each datagram with "NAME CLIENT-ADDRESS " and the datagram."""
    process = namespace.start([sys.executable, "-c", UDP_ECHO, name, port], log=f"udp-{name}.log")
    wait_for(lambda: "ready\n" in process.output(), 5, f"the UDP server of {name}")
    return process
