"""What most scenarios have alike: the [lb] table, the port with its neighbours, and the addresses in use."""

import os
import re

# The client's side is behind the gateway; backends 11 to 19 are on the link; 172.16.0.0/16 and 2001:db8:b::/64 are behind the
# gateway too.
LB = """[lb]
name = "scenario-{name}"
cores = "{core}"
control_core = {core}
socket = "{directory}/lb.sock"
hugepages = false
memory_mb = 64
flow_table_size = 8192
mbufs = 8192
drain_time = "0s"
log_level = "warn"

[metrics]
listen = ""
"""

UPLINK = """[[port]]
name = "uplink"
device = "net_pcap0,rx_pcap=@DIR@/uplink.in,tx_pcap=@DIR@/uplink.out"
address = ["10.0.0.106/24", "2001:db8::106/64"]
gateway = ["10.0.0.1", "2001:db8::1"]
tap = ""
neighbor = [
@NEIGHBORS@
]
"""

GATEWAY_MAC = "02:00:00:00:00:01"
BACKENDS = range(11, 20)


def backend_mac(number):
    return f"02:00:00:00:01:{number}"


def neighbors():
    known = [("10.0.0.1", GATEWAY_MAC), ("2001:db8::1", GATEWAY_MAC)]
    for number in BACKENDS:
        known += [(f"10.0.0.{number}", backend_mac(number)), (f"2001:db8::{number}", backend_mac(number))]
    return ",\n".join(f'  {{ address = "{address}", mac = "{mac}" }}' for address, mac in known)


def fill(text, directory):
    """lb.toml with its placeholders filled; the name is one of a kind, so that runs do not meet."""
    cores = sorted(os.sched_getaffinity(0))
    lb = LB.format(name=f"{os.getpid()}-{directory.name[-8:]}", core=cores[os.getpid() % len(cores)], directory=directory)

    def table(placeholder):
        key, value = placeholder[1], placeholder[2]
        return re.sub(f"(?m)^{key} = .*", f"{key} = {value}", lb) if key else lb

    text = re.sub(r"@LB(?: (\w+) = (\w+))?@", table, text)
    text = text.replace("@UPLINK@", UPLINK).replace("@NEIGHBORS@", neighbors())
    return text.replace("@DIR@", str(directory))
