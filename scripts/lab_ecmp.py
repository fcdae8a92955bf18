"""What scripts/lab ecmp shows once everything is built; that script says what it takes."""

import os
import signal
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP / "test/support"))
sys.dont_write_bytecode = True
from dpdklb import WrkResult, wrk_argv  # noqa: E402
from ecmp import VIP, VIP2, Ecmp, web_service  # noqa: E402
from netlab import Lab, wait_for  # noqa: E402

bold, plain = ("\033[1m", "\033[0m") if sys.stdout.isatty() and "NO_COLOR" not in os.environ else ("", "")


def say(text):
    print(f"{bold}lab: {text}{plain}", flush=True)


def show_routes(lab, *vips):
    for vip in vips:
        print(f"router# ip route show {vip}")
        for line in lab.site.fib(vip).splitlines():
            print(f"  {line.strip()}")
    print(flush=True)


def requests_while(lab, what, seconds=6):
    """wrk against the VIP while `what` happens: its result."""
    wrk = lab.site.client.start(wrk_argv(f"http://{VIP}/", seconds, connections=20), log="wrk.log")
    wait_for(lambda: all(lb.show("show", "flows", "count")["flows"] for lb in lab.lbs.values()), 5, "the load runs")
    what()
    wait_for(lambda: not wrk.running(), seconds + 10, "wrk has ended")
    return WrkResult(wrk.output())


def drain(lab, number):
    lab.lbs[number].ctl("drain")
    lab.wait_next_hops({1, 2, 3} - {number})


def main():
    with Lab("lab-ecmp") as lab_:
        say("a client, a router (FRR), four load balancers to be, two nginx backends")
        lab = Ecmp(lab_, lbs=4)
        say(f"one load balancer announces {VIP}")
        lab.start(1)
        lab.wait_next_hops({1})
        show_routes(lab, VIP)
        say("three of them")
        lab.start(2)
        lab.start(3)
        lab.wait_next_hops({1, 2, 3})
        show_routes(lab, VIP)
        say("a client asks, and web1 and web2 answer")
        print(" ", lab.site.answers(f"http://{VIP}/"), "\n")
        say("lb3 is drained while 20 connections carry requests")
        result = requests_while(lab, lambda: drain(lab, 3))
        show_routes(lab, VIP)
        print(f"  {result.requests} requests, {result.errors} failed\n")
        print(lab.lbs[3].ctl("show", "bgp", "routes").stdout)
        lab.lbs[3].ctl("undrain")
        lab.wait_next_hops({1, 2, 3})
        say("two services: web on three load balancers, shop on two of them")
        both = [web_service(), web_service("shop", VIP2)]
        for number in (1, 2):
            lab.lbs[number].file.write_text(lab.lbs[number].file.read_text().replace("[bgp]", both[1] + "\n[bgp]"))
            lab.lbs[number].ctl("reload")
        lab.wait_next_hops({1, 2}, VIP2)
        show_routes(lab, VIP, VIP2)
        say("lb2 vanishes: BFD notices")
        lab.site.router.ip("link set lb2 down")
        lab.wait_next_hops({1, 3})
        show_routes(lab, VIP, VIP2)
        if "--keep" in sys.argv:
            say(f"up until Ctrl-C. In another terminal:  ip netns exec {lab.site.router.name} ip route\n"
                f"      and  ip netns exec {lab.site.lb.name} {lab.lbs[1].ctl_argv()[0]} -s {lab.lbs[1].socket}")
            try:
                signal.pause()
            except KeyboardInterrupt:
                print()
        say("taken down")


main()
