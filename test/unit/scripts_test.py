#!/usr/bin/python3
"""scripts/setup-hugepages and scripts/bind-nic on a fake /sys, /proc, /run and /etc.

The tree is of plain files; where the real kernel acts on a write (a driver's unbind, drivers_probe), the file is a FIFO that
a thread of the test reads: it moves the device's `driver` link as the kernel does.
"""

import os
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
ROUTES = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n"
NO_DEFAULT6 = "fe80" + "0" * 28 + " 40 " + "0" * 32 + " 00 " + "0" * 32 + " 00000100 00000001 00000000 00000001 eth0\n"


def put(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


class Fake(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        (self.root / "run").mkdir()

    def text(self, name):
        return (self.root / name).read_text().strip()

    def run_script(self, name, *words, status=0):
        # The scripts ask whether they are root: without it, in a user namespace, they are.
        prefix = [] if os.geteuid() == 0 else ["unshare", "-r"]
        done = subprocess.run([*prefix, sys.executable, SCRIPTS / name, *words], capture_output=True, text=True, timeout=30,
                              env=os.environ | {"DPDK_LB_ROOT": str(self.root)}, check=False)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        if status != 0:
            self.assertEqual(done.stderr.strip().count("\n"), 0, done.stderr)
        return done.stdout + done.stderr


class SetupHugepages(Fake):
    SMALL = "sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
    NODE1 = "sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages"

    def setUp(self):
        super().setUp()
        put(self.root / "proc/meminfo", "MemTotal: 1 kB\nHugepagesize:       2048 kB\n")
        put(self.root / "proc/mounts", "nodev /dev/hugepages hugetlbfs rw 0 0\n")
        pools = ["sys/kernel/mm/hugepages"] + [f"sys/devices/system/node/node{n}/hugepages" for n in (0, 1)]
        for pool in pools:
            for size in ("hugepages-2048kB", "hugepages-1048576kB"):
                put(self.root / pool / size / "nr_hugepages", "0\n")
                # All that there are are free.
                (self.root / pool / size / "free_hugepages").symlink_to("nr_hugepages")

    def test_as_many_as_are_asked_for_and_back(self):
        put(self.root / self.SMALL, "3\n")
        out = self.run_script("setup-hugepages", "100")
        self.assertEqual(self.text(self.SMALL), "50")
        self.assertIn("3 -> 50", out)
        self.run_script("setup-hugepages", "101")  # rounded up
        self.assertEqual(self.text(self.SMALL), "51")
        self.run_script("setup-hugepages", "10")  # there is more
        self.assertEqual(self.text(self.SMALL), "51")
        self.run_script("setup-hugepages", "--restore")
        self.assertEqual(self.text(self.SMALL), "3")
        self.assertIn("nothing to give back", self.run_script("setup-hugepages", "--undo"))

    def test_by_node_and_size(self):
        self.run_script("setup-hugepages", "8", "--node", "1")
        self.assertEqual((self.text(self.NODE1), self.text(self.SMALL)), ("4", "0"))
        self.run_script("setup-hugepages", "2049", "--size", "1G", "--node", "0")
        large = "sys/devices/system/node/node0/hugepages/hugepages-1048576kB/nr_hugepages"
        self.assertEqual(self.text(large), "3")
        out = self.run_script("setup-hugepages", "--show")
        self.assertIn("node 1: 4 of 2 MB, 4 free", out)
        self.assertIn("node 0: 3 of 1 GB, 3 free", out)
        self.run_script("setup-hugepages", "--restore")
        self.assertEqual((self.text(self.NODE1), self.text(large)), ("0", "0"))

    def test_persistent_until_restored(self):
        conf = "etc/tmpfiles.d/dpdk-lb-hugepages.conf"
        self.run_script("setup-hugepages", "8", "--persistent")
        self.run_script("setup-hugepages", "8", "--node", "1", "--persistent")
        self.run_script("setup-hugepages", "16", "--persistent")  # replaces the first line
        lines = [line for line in self.text(conf).splitlines() if not line.startswith("#")]
        self.assertEqual(sorted(lines), sorted([f"w! /{self.NODE1} - - - - 4", f"w! /{self.SMALL} - - - - 8"]))
        self.run_script("setup-hugepages", "--restore")
        self.assertFalse((self.root / conf).exists())

    def test_a_dry_run_changes_nothing(self):
        before = sorted((path, path.read_bytes()) for path in self.root.rglob("*") if path.is_file())
        put(self.root / "proc/mounts", "")
        out = self.run_script("setup-hugepages", "8", "--persistent", "--dry-run")
        self.assertIn("0 -> 4", out)
        self.assertIn("mount -t hugetlbfs", out)
        put(self.root / "proc/mounts", "nodev /dev/hugepages hugetlbfs rw 0 0\n")
        self.assertEqual(sorted((path, path.read_bytes()) for path in self.root.rglob("*") if path.is_file()), before)

    def test_too_few_to_be_had_takes_none(self):
        free = self.root / self.SMALL.replace("nr_", "free_")
        free.unlink()
        put(free, "1\n")
        out = self.run_script("setup-hugepages", "8", status=1)
        self.assertIn("only 1 of 4 pages", out)
        self.assertIn("hugepages=4", out)
        self.assertEqual(self.text(self.SMALL), "0")

    def test_errors_name_the_mend(self):
        self.assertIn("it has 2 MB, 1 GB", self.run_script("setup-hugepages", "8", "--size", "16M", status=1))
        self.assertIn("give 2M or 1G", self.run_script("setup-hugepages", "8", "--size", "big", status=1))
        self.assertIn("NUMA nodes are node0, node1", self.run_script("setup-hugepages", "8", "--node", "7", status=1))
        put(self.root / "run/dpdk-lb-hugepages", "garbage")
        self.assertIn("damaged; remove it", self.run_script("setup-hugepages", "--restore", status=1))


class FakeKernel:
    """Does to the tree what the kernel does on a write to unbind, drivers_probe and driver_override."""

    def __init__(self, root, refuses=()):
        self.bus = root / "sys/bus/pci"
        self.refuses = set(refuses)  # drivers whose probe fails
        self.home = {}  # address: the driver that the kernel chooses by itself
        self.ends = []
        self.threads = []
        self.fifo(self.bus / "drivers_probe", self.probe)

    def fifo(self, path, action):
        path.parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(path)
        end = os.open(path, os.O_RDWR)  # both ends: a writer never waits, a reader never sees an end
        self.ends.append(end)

        def serve():
            line = b""
            while True:
                line += os.read(end, 64)
                while b"\n" in line:
                    word, line = line.split(b"\n", 1)
                    if word == b"stop":
                        return
                    action(word.decode())
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        self.threads.append(thread)

    def stop(self):
        for end, thread in zip(self.ends, self.threads):
            os.write(end, b"stop\n")
            thread.join()
            os.close(end)

    def driver(self, name):
        folder = self.bus / "drivers" / name
        folder.mkdir(parents=True)
        self.fifo(folder / "unbind", lambda address: (self.bus / "devices" / address / "driver").unlink())

    def device(self, address, driver, interface="", pci_class="0x020000", below="net"):
        folder = self.bus / "devices" / address
        put(folder / "class", pci_class + "\n")
        put(folder / "numa_node", "-1\n")
        put(folder / "driver_override", "(null)\n")
        self.home[address] = driver
        if driver:
            (folder / "driver").symlink_to(f"../../drivers/{driver}")
        if interface:
            (folder / below / interface).mkdir(parents=True)

    def probe(self, address):
        folder = self.bus / "devices" / address
        driver = (folder / "driver_override").read_text().strip() or self.home[address]
        if driver in self.refuses or not driver:
            return
        (folder / "driver").symlink_to(f"../../drivers/{driver}")


class BindNic(Fake):
    UPLINK, SPARE, VIRTIO, DISK = "0000:3b:00.0", "0000:3b:00.1", "0000:00:03.0", "0000:04:00.0"

    def setUp(self):
        super().setUp()
        self.kernel = FakeKernel(self.root, refuses=["igb_uio"])
        self.addCleanup(self.kernel.stop)
        for driver in ("ixgbe", "virtio-pci", "nvme", "mlx5_core", "vfio-pci", "uio_pci_generic", "igb_uio"):
            self.kernel.driver(driver)
        self.kernel.device(self.UPLINK, "ixgbe", "eth0")
        self.kernel.device(self.SPARE, "ixgbe", "eth1")
        self.kernel.device(self.VIRTIO, "virtio-pci", "eth2", below="virtio0/net")
        self.kernel.device(self.DISK, "nvme", pci_class="0x010802")
        put(self.root / "proc/net/route", ROUTES + "eth0 00000000 0100000A 0003 0 0 0 00000000 0 0 0\n")
        put(self.root / "proc/net/ipv6_route", NO_DEFAULT6)
        for name in ("eth0", "eth1", "eth2", "veth7"):
            (self.root / "sys/class/net" / name).mkdir(parents=True)
        (self.root / "sys/kernel/iommu_groups/1").mkdir(parents=True)

    def driver_of(self, address):
        link = self.root / "sys/bus/pci/devices" / address / "driver"
        return os.readlink(link).rsplit("/", 1)[-1] if link.is_symlink() else ""

    def test_to_vfio_and_back_to_the_driver_it_had(self):
        out = self.run_script("bind-nic", "eth1")
        self.assertEqual(self.driver_of(self.SPARE), "vfio-pci")
        self.assertIn(f"--unbind {self.SPARE}", out)
        self.assertIn("was ixgbe", self.run_script("bind-nic", "--status"))
        self.assertIn("already", self.run_script("bind-nic", "3b:00.1"))
        self.run_script("bind-nic", "3b:00.1", "--driver", "uio_pci_generic")  # the first driver stays remembered
        self.assertEqual(self.driver_of(self.SPARE), "uio_pci_generic")
        self.run_script("bind-nic", "--unbind", "3b:00.1")
        self.assertEqual(self.driver_of(self.SPARE), "ixgbe")
        self.assertEqual(self.text(f"sys/bus/pci/devices/{self.SPARE}/driver_override"), "")
        self.assertNotIn("was", self.run_script("bind-nic", "--status"))
        self.assertIn("already", self.run_script("bind-nic", "--unbind", self.SPARE))

    def test_the_default_route_is_not_cut_unless_forced(self):
        for route, route6, nic in [
                ("eth0 00000000 0100000A 0003 0 0 0 00000000 0 0 0\n", "", "eth0"),
                ("", ("0" * 32 + " 00 ") * 2 + "0" * 32 + " 00000400 00000001 00000000 00000003 eth1\n", "3b:00.1"),
                ("eth2 00000000 0100000A 0003 0 0 0 00000000 0 0 0\n", "", "eth2")]:
            put(self.root / "proc/net/route", ROUTES + route)
            put(self.root / "proc/net/ipv6_route", route6)
            self.assertIn("carries the default route", self.run_script("bind-nic", nic, status=1))
            self.assertIn("carries the default route", self.run_script("bind-nic", "--status"))
        self.assertEqual(self.driver_of(self.VIRTIO), "virtio-pci")
        self.run_script("bind-nic", "eth2", "--force")
        self.assertEqual(self.driver_of(self.VIRTIO), "vfio-pci")

    def test_nor_through_a_bond_and_a_vlan(self):
        put(self.root / "proc/net/route", ROUTES + "bond0.7 00000000 0100000A 0003 0 0 0 00000000 0 0 0\n")
        for upper, lower in (("bond0.7", "bond0"), ("bond0", "eth1")):
            (self.root / "sys/class/net" / upper / f"lower_{lower}").mkdir(parents=True)
        self.assertIn("carries the default route", self.run_script("bind-nic", "eth1", status=1))
        self.run_script("bind-nic", "eth2")

    def test_a_dry_run_changes_nothing(self):
        out = self.run_script("bind-nic", "eth1", "--dry-run")
        self.assertIn(f"devices/{self.SPARE}/driver_override <- vfio-pci", out)
        self.assertIn(f"drivers_probe <- {self.SPARE}", out)
        self.assertEqual(self.driver_of(self.SPARE), "ixgbe")
        self.assertFalse((self.root / "run/dpdk-lb-nics").exists())

    def test_a_driver_that_refuses_gives_the_nic_back(self):
        out = self.run_script("bind-nic", "eth1", "--driver", "igb_uio", status=1)
        self.assertIn("it is back with ixgbe", out)
        self.assertNotIn("was", self.run_script("bind-nic", "--status"))
        self.assertEqual(self.driver_of(self.SPARE), "ixgbe")

    def test_without_an_iommu(self):
        (self.root / "sys/kernel/iommu_groups/1").rmdir()
        self.assertIn("intel_iommu=on", self.run_script("bind-nic", "eth1", status=1))
        self.assertEqual(self.driver_of(self.SPARE), "ixgbe")
        put(self.root / "sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "Y\n")
        self.run_script("bind-nic", "eth1")
        self.assertEqual(self.driver_of(self.SPARE), "vfio-pci")

    def test_a_shared_iommu_group_is_told_and_can_be_bound_one_by_one(self):
        group = self.root / "sys/kernel/iommu_groups/1/devices"
        group.mkdir()
        for address in (self.UPLINK, self.SPARE):
            (group / address).symlink_to(self.root / "sys/bus/pci/devices" / address)
            (self.root / "sys/bus/pci/devices" / address / "iommu_group").symlink_to(group.parent)
        self.assertIn(f"shares its IOMMU group with {self.UPLINK}", self.run_script("bind-nic", "eth1"))
        self.assertNotIn("shares", self.run_script("bind-nic", "eth0", "--force"))
        self.assertEqual([self.driver_of(nic) for nic in (self.UPLINK, self.SPARE)], ["vfio-pci", "vfio-pci"])

    def test_errors_name_the_mend(self):
        self.kernel.device("0000:05:00.0", "mlx5_core", "eth5")
        for nic, words in [("veth7", "net_af_xdp0,iface=veth7"), ("eth9", "--status"), ("99:00.0", "--status"),
                           ("04:00.0", "no network device"), ("eth5", "leave it as it is")]:
            self.assertIn(words, self.run_script("bind-nic", nic, status=1))
        self.assertIn("give a NIC or --status", subprocess.run([SCRIPTS / "bind-nic"], capture_output=True, text=True, check=False).stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
