#!/usr/bin/python3
"""The laboratory itself, without dpdk-lb: namespaces, web servers, tunnels, and that nothing of it is left behind.

    client ── router ──┬── lb (no daemon here)
                       ├── web1   nginx, decap, UDP echo
                       ├── web2
                       └── web3
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import netlab
from netlab import wait_for
from servers import decap, decap_counters, udp_echo
from systemtest import SystemTest, main
from topology import CLIENT4, CLIENT6, ROUTER4, ROUTER6, Site, web4, web6

VIP4, VIP6 = "10.1.1.2", "2001:db8:1::2"

# In the router: inner packets in outer ones, as the load balancer would send them.
SEND = """
import sys
from scapy.all import IP, IPv6, UDP, Raw, conf, send
conf.verb = 0
outer4 = lambda proto: IP(src={router4!r}, dst={web4!r}, proto=proto)
outer6 = lambda nh: IPv6(src={router6!r}, dst={web6!r}, nh=nh)
inner4 = lambda data: IP(src={client4!r}, dst={vip4!r}) / UDP(sport=4000, dport=53) / data
inner6 = lambda data: IPv6(src={client6!r}, dst={vip6!r}) / UDP(sport=4000, dport=53) / data
send(outer4(4) / inner4("4in4"))
send(outer4(41) / inner6("6in4"))
send(outer6(4) / inner4("4in6"))
send(outer6(41) / inner6("6in6"))
send(outer4(4) / Raw(bytes(inner4("short"))[:-1]))        # shorter than the inner header says
send(outer4(4) / Raw(bytes(inner4("long")) + b"x"))       # longer
send(outer4(4) / inner6("IPv6 announced as IPv4"))
send(outer6(41) / Raw(b"\\x60"))
"""

CLIENT = """
import socket, sys
family, address = (socket.AF_INET6, "::") if sys.argv[1] == "6" else (socket.AF_INET, "0.0.0.0")
s = socket.socket(family, socket.SOCK_DGRAM)
if family == socket.AF_INET6:
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
s.bind((address, 4000))
print("ready", flush=True)
while True:
    data, peer = s.recvfrom(2000)
    print("from", peer[0], data.decode(), flush=True)
"""

# A lab with everything in it, which then waits to be ended.
OWNER = """
import sys, time
sys.path.insert(0, {support!r})
from netlab import Lab
from servers import nginx
with Lab("owner") as lab:
    web = lab.namespace("web")
    server = nginx(web, "web")
    print(lab.prefix, lab.dir, server.pid, flush=True)
    time.sleep(60)
"""


class Netlab(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.site = Site(cls.lab, vips_on_lo=(VIP4, VIP6))

    def test_every_address_answers(self):
        for target in (ROUTER4, ROUTER6, web4(1), web6(3)):
            # The backends' own addresses answer through the load balancer, so from there only the router does.
            source = self.site.client if target in (ROUTER4, ROUTER6) else self.site.router
            source.run(["ping", "-c1", "-W2", target])

    def test_the_web_servers_answer_their_name_and_the_client(self):
        for number in (1, 2, 3):
            for url, seen in ((f"http://{web4(number)}", ROUTER4), (f"http://[{web6(number)}]:8080", ROUTER6)):
                body = self.site.router.run(["curl", "-sSg", "-m2", f"{url}/", f"{url}/client"]).stdout
                self.assertEqual(body, f"web{number}\nweb{number} {seen}\n")

    def test_decap_unpacks_every_combination_and_refuses_what_does_not_hold_together(self):
        web = self.site.webs[0]
        tunnel = decap(web)
        udp_echo(web, "web1")
        clients = {}
        for family in "46":
            clients[family] = self.site.client.start([sys.executable, "-c", CLIENT, family], log=f"udp{family}.log")
            wait_for(lambda: "ready\n" in clients[family].output(), 5, "the UDP client")
        self.site.router.run([sys.executable, "-c", SEND.format(
            router4=ROUTER4, router6=ROUTER6, web4=web4(1), web6=web6(1), client4=CLIENT4, client6=CLIENT6,
            vip4=VIP4, vip6=VIP6)])
        for family, vip, client, wanted in (("4", VIP4, CLIENT4, ("4in4", "4in6")),
                                            ("6", VIP6, CLIENT6, ("6in4", "6in6"))):
            for text in wanted:
                line = f"from {vip} web1 {client} {text}\n"
                wait_for(lambda: line in clients[family].output(), 5, line.strip())
        wait_for(lambda: decap_counters(tunnel)["bad"] == 4, 5, "four bad packets")
        counters = decap_counters(tunnel)
        self.assertEqual(counters, {"4in4": 1, "6in4": 1, "4in6": 1, "6in6": 1, "bad": 4})
        self.assertEqual(tunnel.stop(), 0)
        self.assertNotIn("decap0", web.interfaces())


class NothingIsLeft(SystemTest):
    def owner(self):
        script = OWNER.format(support=str(Path(netlab.__file__).parent))
        process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        prefix, directory, pid = process.stdout.readline().split()
        return process, prefix, Path(directory), int(pid)

    def left(self, prefix, directory, pid):
        spaces = [name for name in os.listdir(netlab.NETNS) if name.startswith(prefix)]
        return spaces + [str(directory)] * directory.exists() + [pid] * Path(f"/proc/{pid}").exists()

    def test_after_each_signal(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            process, *what = self.owner()
            self.assertEqual(len(self.left(*what)), 3)
            process.send_signal(number)
            process.wait(10)
            self.assertEqual(self.left(*what), [], signal.Signals(number).name)

    def test_after_kill_9_the_next_run_clears_up(self):
        process, prefix, directory, pid = self.owner()
        other, *others = self.owner()
        process.kill()
        process.wait()
        netlab.clear_leftovers()
        wait_for(lambda: not self.left(prefix, directory, pid), 5, "nothing of the killed run")
        self.assertEqual(len(self.left(*others)), 3, "a live run was touched")
        other.terminate()
        other.wait(10)


if __name__ == "__main__":
    main()
