"""The site that most system tests and scripts/quickstart run in.

      client               router                        one segment: 10.0.0.0/24, 2001:db8::/64
    10.0.9.2  ────── 10.0.9.1 │ 10.0.0.1  ──┬── lb     10.0.0.106  2001:db8::106   dpdk-lb's port "uplink"
    2001:db8:9::2             │ 2001:db8::1 ├── web1   10.0.0.11   2001:db8::11    nginx, decap
                                            ├── web2   10.0.0.12   2001:db8::12
                                            └── web3   10.0.0.13   2001:db8::13

With `lbs`, more load balancers: lb2 10.0.0.107 2001:db8::107, and so on. The router sends 10.1.0.0/16 and
2001:db8:1::/48, where the VIPs are, to the first; with static=False a routing daemon says where. The ways back:

    nat       web answers from 10.0.0.11: a rule of its own sends that through the load balancer, which restores the VIP
    fnat      web answers to the load balancer's own address
    others    web has the VIP on lo and answers from it, straight through the router; it does not answer ARP for it
"""

from servers import nginx

VIP4, VIP6 = "10.1.0.0/16", "2001:db8:1::/48"
LB4, LB6 = "10.0.0.106", "2001:db8::106"
CLIENT4, CLIENT6 = "10.0.9.2", "2001:db8:9::2"
ROUTER4, ROUTER6 = "10.0.0.1", "2001:db8::1"


def web4(number):
    return f"10.0.0.{10 + number}"


def web6(number):
    return f"2001:db8::{10 + number}"


def lb4(number):
    return f"10.0.0.{105 + number}"


def lb6(number):
    return f"2001:db8::{105 + number}"


class Site:
    def __init__(self, lab, webs=3, vips_on_lo=(), queues=1, requests=1000000, start_nginx=True, lbs=1,
                 static=True):
        self.lab = lab
        self.static = static
        self.client = lab.namespace("client")
        self.router = lab.namespace("router")
        self.lbs = [lab.namespace("lb" if n == 1 else f"lb{n}", stock=True) for n in range(1, lbs + 1)]
        self.lb = self.lbs[0]
        self.webs = [lab.namespace(f"web{n}") for n in range(1, webs + 1)]
        self._cable(queues)
        self._router()
        self._client()
        for number, web in enumerate(self.webs, 1):
            self._web(web, number, vips_on_lo)
        self.nginx = [nginx(web, f"web{n}", requests=requests)
                      for n, web in enumerate(self.webs, 1)] if start_nginx else []

    def _cable(self, queues):
        self.lab.veth(self.router, "client", self.client, "eth0")
        for lb in self.lbs:
            self.lab.veth(self.router, lb.short, lb, "uplink", offloads=False, queues=queues)
        for web in self.webs:
            self.lab.veth(self.router, web.short, web, "eth0", offloads=False)

    def _router(self):
        self.router.sysctl({"net.ipv4.ip_forward": 1, "net.ipv6.conf.all.forwarding": 1,
                            "net.ipv4.conf.all.send_redirects": 0, "net.ipv4.conf.default.send_redirects": 0})
        self.router.bridge("br0", *(there.short for there in [*self.lbs, *self.webs]))
        self.router.addresses("client", "10.0.9.1/24", "2001:db8:9::1/64")
        self.router.addresses("br0", f"{ROUTER4}/24", f"{ROUTER6}/64")
        if self.static:
            self.router.ip(f"route add {VIP4} via {LB4}", f"route add {VIP6} via {LB6}")
        else:  # a flow stays with its load balancer as long as the number of paths does
            self.router.sysctl({"net.ipv4.fib_multipath_hash_policy": 1,
                                "net.ipv6.fib_multipath_hash_policy": 1})

    def fib(self, prefix):
        """The router's route, one line for each next hop; "" where there is none."""
        return self.router.run(["ip", *(["-6"] if ":" in prefix else []), "route", "show", prefix]).stdout.strip()

    def _client(self):
        self.client.addresses("eth0", f"{CLIENT4}/24", f"{CLIENT6}/64")
        self.client.ip("route add default via 10.0.9.1", "route add default via 2001:db8:9::1")
        # wrk with a connection a request uses up many ports.
        self.client.sysctl({"net.ipv4.ip_local_port_range": "1024 65535"})

    def _web(self, web, number, vips_on_lo):
        web.addresses("eth0", f"{web4(number)}/24", f"{web6(number)}/64")
        if vips_on_lo:
            web.addresses("lo", *(f"{vip}/{128 if ':' in vip else 32}" for vip in vips_on_lo))
        web.sysctl({f"net.ipv4.conf.{scope}.{key}": value for scope in ("all", "eth0")
                    for key, value in (("arp_ignore", 1), ("arp_announce", 2))})
        # advmss: what comes through a tunnel is up to 70 bytes longer (VXLAN over IPv6).
        web.ip(f"route add default via {ROUTER4} advmss 1390",
               f"route add default via {ROUTER6} advmss 1370",
               f"rule add from {web4(number)} lookup 100",
               "route add 10.0.0.0/24 dev eth0 table 100",
               f"route add default via {LB4} table 100")
        web.ip(f"rule add from {web6(number)} lookup 100",
               "route add 2001:db8::/64 dev eth0 table 100",
               f"route add default via {LB6} table 100", family=6)

    # What the client sees.

    def curl(self, url, *options, timeout=5, check=True):
        """The body that the client gets from `url`."""
        return self.client.run(["curl", "-sS", "-g", "-m", timeout, *options, url], check=check,
                               timeout=timeout + 5).stdout.strip()

    def answers(self, url, count=30):
        """`count` requests, each on a connection of its own: {"web1": 11, …} or with the address: {"web1 10.0.9.2": …}"""
        # One curl process for all: --next starts a new connection where keepalive is off.
        output = self.client.run(["curl", "-sS", "-g", "-m", "10", "-H", "Connection: close",
                                  *([url] * count)], timeout=20).stdout
        seen = {}
        for line in output.splitlines():
            seen[line] = seen.get(line, 0) + 1
        return seen
