"""The load balancers that bench/http compares, each in the load balancer's namespace of a Site."""

import shutil

from dpdklb import DpdkLb, port, service
from netlab import wait_for
from servers import decap
from topology import LB4, LB6, ROUTER4, ROUTER6, web4, web6

VIP = {4: "10.1.1.1", 6: "2001:db8:1::1"}
SNAT = {4: ["10.0.0.200"], 6: ["2001:db8::200"]}
PROGRAMS = {"nft": ["nft"], "nginx": ["nginx"], "haproxy": ["haproxy"]}

NGINX = """
daemon off;
user root;
worker_processes 1;
pid proxy.pid;
error_log error.log warn;
events { worker_connections 8192; }
http {
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    keepalive_requests @requests@;
    upstream webs { @servers@ keepalive 64; }
    server {
        listen @vip@:80 backlog=4096;
        location / { proxy_pass http://webs; proxy_http_version 1.1; proxy_set_header Connection ""; }
    }
}
"""

HAPROXY = """
global
    maxconn 8192
    nbthread 1
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend vip
    bind @vip@:80 backlog 4096
    default_backend webs
backend webs
    balance roundrobin
@servers@
"""


def missing(ways, latency):
    """The programs that are not there."""
    wanted = {"wrk", "nginx", "curl"} | {program for way in ways for program in PROGRAMS.get(way, [])}
    return sorted(program for program in wanted | ({"h2load"} if latency else set()) if shutil.which(program) is None)


def host(address):
    return f"[{address}]" if ":" in address else address


def webs(site, family):
    return [(web4 if family == 4 else web6)(number) for number in range(1, len(site.webs) + 1)]


def kernel_addresses(site, *more):
    """The namespace is an ordinary host, and router, at the load balancer's place."""
    site.lb.sysctl({"net.ipv4.ip_forward": 1, "net.ipv6.conf.all.forwarding": 1, "net.ipv6.conf.all.accept_dad": 0,
                    "net.ipv4.conf.all.send_redirects": 0, "net.ipv4.conf.uplink.send_redirects": 0,
                    "net.ipv4.ip_local_port_range": "1024 65535"})
    site.lb.addresses("uplink", f"{LB4}/24", f"{LB6}/64")
    site.lb.ip(f"route add default via {ROUTER4}", f"route add default via {ROUTER6}")
    if more:
        site.lb.addresses("lo", *more)


def start_dpdk_lb(mode, site, options):
    if mode == "ipip":
        for web in site.webs:
            decap(web)
    keys = {"snat": SNAT[options.family]} if mode == "fnat" else {}
    lb = DpdkLb(site.lb, [port(options.device), service("web", [VIP[options.family]], mode, webs(site, options.family), **keys)],
                cores="1", control_core=0, mbufs=16384, memory_mb=512).start()
    return lb.process


def start_nft(site, options):
    kernel_addresses(site)
    family = {4: "ip", 6: "ip6"}[options.family]
    addresses = webs(site, options.family)
    to = ", ".join(f"{number} : {address}" for number, address in enumerate(addresses))
    site.lb.run(["nft", "-f", "-"], input=f"""table {family} lb {{
        chain prerouting {{ type nat hook prerouting priority dstnat;
            {family} daddr {VIP[options.family]} tcp dport 80 dnat to numgen inc mod {len(addresses)} map {{ {to} }}
        }}
    }}""")


def start_proxy(site, options, name, argv, text, server):
    vip = VIP[options.family]
    kernel_addresses(site, f"{vip}/{32 if options.family == 4 else 128}")
    directory = site.lab.dir / name
    directory.mkdir()
    servers = "\n".join(server(number, host(address)) for number, address in enumerate(webs(site, options.family), 1))
    (directory / "conf").write_text(text.replace("@vip@", host(vip)).replace("@servers@", servers))
    process = site.lb.start([word.replace("@", str(directory)) for word in argv], log=f"{name}.log")
    wait_for(lambda: site.curl(f"http://{host(vip)}/", timeout=1, check=False) or not process.running(), 10, f"{name} answers")
    if not process.running():
        raise RuntimeError(f"{name} ended:\n{process.output()}")
    return process


def own_pid(process):
    """Of `ip netns exec PROGRAM`, which becomes the program; nginx works in a child."""
    children = f"/proc/{process.pid}/task/{process.pid}/children"
    with open(children) as file:
        found = file.read().split()
    return int(found[0]) if found else process.pid


def start(name, site, options, requests):
    """URLs to ask, and the process id of the balancer where it is a program. `requests`: a connection, where it ends one."""
    url = f"http://{host(VIP[options.family])}/"
    if name == "direct":
        for web, address in zip(site.webs, webs(site, options.family)):  # what sends its answers through the load balancer
            web.ip(f"rule del from {address} lookup 100", family=options.family)
        return [f"http://{host(address)}/" for address in webs(site, options.family)], None
    if name == "nft":
        start_nft(site, options)
        return [url], None
    if name == "nginx":
        argv = ["nginx", "-p", "@/", "-e", "error.log", "-c", "conf"]
        process = start_proxy(site, options, name, argv, NGINX.replace("@requests@", str(requests)), lambda _, address: f"server {address}:80;")
    elif name == "haproxy":
        process = start_proxy(site, options, name, ["haproxy", "-db", "-f", "@/conf"], HAPROXY,
                              lambda number, address: f"    server web{number} {address}:80")
    else:
        process = start_dpdk_lb(name, site, options)
    return [url], own_pid(process)
