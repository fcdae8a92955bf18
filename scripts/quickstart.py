"""What scripts/quickstart shows once everything is built; that script says what it takes."""

import os
import signal
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP / "test/support"))
sys.dont_write_bytecode = True
from netlab import Lab, leftovers, take_down, wait_for  # noqa: E402
from servers import decap  # noqa: E402
from topology import Site  # noqa: E402

CONFIG = "config/quickstart.toml"
DAEMON, CONSOLE = "build/app/dpdk-lb/dpdk-lb", "build/app/dpdk-lbctl/dpdk-lbctl"
SOCKET = "/run/dpdk-lb/quickstart.sock"
KEEP = ("dlb-quickstart-", "/run/dpdk-lb-quickstart")  # names that no later run clears away by itself

VIPS = (("nat", "10.1.1.1"), ("nat", "[2001:db8:1::1]"), ("ipip", "10.1.1.2"), ("ipip", "[2001:db8:1::2]"))
ON_BACKENDS = ("10.1.1.2", "2001:db8:1::2")  # a tunnel's backends hold the VIP themselves
REQUESTS = 30

bold, plain = ("\033[1m", "\033[0m") if sys.stdout.isatty() and "NO_COLOR" not in os.environ else ("", "")


def say(text):
    print(f"{bold}quickstart: {text}{plain}", flush=True)


class Failed(Exception):
    pass


class Quickstart:
    def __init__(self, lab):
        self.lab, self.daemon = lab, None

    def ctl(self, *words, check=True):
        return self.site.lb.run([CONSOLE, "-s", SOCKET, *words], check=check).stdout.rstrip()

    def build_the_site(self):
        say("a client, a router, a load balancer and three nginx backends, each in a network namespace")
        self.site = Site(self.lab, vips_on_lo=ON_BACKENDS)
        for web in self.site.webs:
            decap(web)

    def start_dpdk_lb(self):
        say(f"dpdk-lb -c {CONFIG}")
        self.daemon = self.site.lb.start([DAEMON, "-c", CONFIG], log="dpdk-lb.log")

        def answers():
            if not self.daemon.running():
                raise Failed(f"dpdk-lb ended with status {self.daemon.popen.returncode}")
            return Path(SOCKET).exists() and self.site.lb.run([CONSOLE, "-s", SOCKET, "show", "version"],
                                                              check=False).returncode == 0

        wait_for(answers, 15, "dpdk-lb answers on its console")
        for mode, vip in VIPS:
            wait_for(lambda: self.site.curl(f"http://{vip}/", timeout=1, check=False), 15,
                     f"an answer from http://{vip}/ ({mode})")

    def send_requests(self):
        say(f"{REQUESTS} requests to each VIP, and who answered them")
        for mode, vip in VIPS:
            answers = self.site.answers(f"http://{vip}/client", REQUESTS)
            clients = {line.split()[1] for line in answers}
            shares = "   ".join(f"{line.split()[0]} {count}" for line, count in sorted(answers.items()))
            print(f"    {mode:4}  curl http://{vip + '/':17}   {shares}   (they saw the client as {', '.join(clients)})")
            if sum(answers.values()) != REQUESTS or len(answers) < 3:
                raise Failed(f"{REQUESTS} answers from three backends were due at http://{vip}/")

    def show_the_console(self):
        for words in ("show services", "show backends", "show ports", "show drops",
                      "explain tcp 10.0.9.2:40000 10.1.1.1:80", "explain tcp [2001:db8:9::2]:40000 [2001:db8:1::2]:80"):
            say(f"dpdk-lbctl {words}")
            for line in self.ctl(*words.split()).splitlines():
                print(f"    {line}")

    def run(self):
        self.build_the_site()
        self.start_dpdk_lb()
        self.send_requests()
        self.show_the_console()

    def log_tail(self):
        if self.daemon is None:
            return ""
        return "".join(f"    {line}\n" for line in self.daemon.output().splitlines()[-20:])


def commands(site):
    client, lb = site.client.name, site.lb.name
    return f"""
    a request   ip netns exec {client} curl http://10.1.1.1/
                ip netns exec {client} curl -g 'http://[2001:db8:1::2]/'
    the console {CONSOLE} -s {SOCKET}
    one command {CONSOLE} -s {SOCKET} drain backend web-nat 10.0.0.11
    the twin    ip netns exec {lb} ip address show uplink0
    the log     tail -f {site.lab.dir}/dpdk-lb.log
    all gone    scripts/quickstart --down
"""


def down():
    if not leftovers(*KEEP):
        say("nothing is up")
        return 0
    take_down(*KEEP)
    say("taken down")
    return 0


def main(argv):
    os.chdir(TOP)
    if argv == ["--down"]:
        return down()
    keep = argv == ["--keep"]
    if leftovers(*KEEP):
        say("an earlier --keep is still up; take it down first: scripts/quickstart --down")
        return 1
    status = 0
    lab = Lab("quickstart", keep=KEEP if keep else None)
    show = Quickstart(lab)
    try:
        show.run()
    except KeyboardInterrupt:
        print()
        status, keep = 130, False
    except (Failed, RuntimeError, TimeoutError, OSError) as error:
        print(f"quickstart: {error}", file=sys.stderr)
        tail = show.log_tail()
        if tail and tail not in str(error):
            print(f"quickstart: the end of dpdk-lb's log:\n{tail}", file=sys.stderr, end="")
        status, keep = 1, False
    if keep:
        lab.release()
        say(f"left up to play with:{plain}{commands(show.site)}")
    else:
        lab.close()
        say("interrupted, all taken down" if status == 130 else
            "failed, all taken down" if status else
            "done, all taken down (scripts/quickstart --keep leaves it up to play with)")
    return status


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main(sys.argv[1:]))
