// What --check finds on a machine: each finding on a tree that has it, and not on one that has not.
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "control/preflight_checks.hpp"
#include "control/privileges.hpp"

namespace dlb {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const std::string kNic = "0000:3b:00.0";
const std::string kNicDirectory = "sys/bus/pci/devices/" + kNic;

// A machine where nothing is wrong: two NUMA nodes, CPUs 0-3 and 4-7, 1-3 isolated, each core one
// CPU, 1 GB of hugepages on node 0, a NIC there with vfio-pci and an IOMMU.
class Preflight : public testing::Test {
  protected:
    void SetUp() override {
        std::string pattern = testing::TempDir() + "preflight.XXXXXX";
        ASSERT_NE(mkdtemp(pattern.data()), nullptr);
        root_ = pattern;
        status("0-7", "1ffffffffff");
        write("proc/meminfo",
              "MemTotal: 1 kB\nHugePages_Total:     512\nHugePages_Free:      512\n"
              "Hugepagesize:       2048 kB\n");
        write("sys/devices/system/cpu/isolated", "1-3\n");
        for (unsigned cpu = 0; cpu < 8; ++cpu) {
            const std::string path = "sys/devices/system/cpu/cpu" + std::to_string(cpu);
            fs::create_directories(root_ / path / ("node" + std::to_string(cpu / 4)));
            siblings(cpu, std::to_string(cpu));
        }
        write("sys/devices/system/node/node0/cpulist", "0-3\n");
        write("sys/devices/system/node/node1/cpulist", "4-7\n");
        free_pages(0, "512\n");
        free_pages(1, "0\n");
        fs::create_directories(root_ / "sys/kernel/iommu_groups/7");
        write(kNicDirectory + "/numa_node", "0\n");
        link(kNicDirectory + "/driver", "../../../bus/pci/drivers/vfio-pci");
        link(kNicDirectory + "/iommu_group", "../../../kernel/iommu_groups/7");
        config_.lb.cores = {1, 2};
        config_.lb.control_core = 0;
        config_.lb.memory_mb = 1024;
        config_.ports.resize(1);
        use(kNic);
    }
    void TearDown() override { fs::remove_all(root_); }

    void write(const std::string& path, const std::string& text) {
        fs::create_directories((root_ / path).parent_path());
        std::ofstream(root_ / path) << text;
    }
    void link(const std::string& path, const std::string& target) {
        fs::create_directories((root_ / path).parent_path());
        fs::remove(root_ / path);
        fs::create_symlink(target, root_ / path);
    }
    void status(const std::string& cpus, const std::string& capabilities) {
        write("proc/self/status",
              "Name:\tx\nCapEff:\t" + capabilities + "\nCpus_allowed_list:\t" + cpus + "\n");
    }
    void siblings(unsigned cpu, const std::string& list) {
        write("sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/thread_siblings_list",
              list + "\n");
    }
    void free_pages(unsigned node, const std::string& count) {
        write("sys/devices/system/node/node" + std::to_string(node) +
                  "/hugepages/hugepages-2048kB/free_hugepages",
              count);
    }
    void rx_queues(const std::string& interface, unsigned count) {
        for (unsigned queue = 0; queue < count; ++queue) {
            fs::create_directories(root_ / "sys/class/net" / interface / "queues" /
                                   ("rx-" + std::to_string(queue)));
        }
    }
    void use(const std::string& device) {
        config_.ports[0].name = "up";
        config_.ports[0].device = device;
        config_.ports[0].tap = device == kNic ? "" : "up0";
    }

    // All of the checks that look at the tree.
    std::vector<Finding> found(bool advice = true) {
        const MachineTree machine(root_.string());
        MachineFindings findings;
        check_rights(config_, machine, findings);
        check_cpus(config_.lb, machine, findings);
        check_hugepages(config_, machine, findings);
        const DeviceString device = parse_device(config_.ports[0].device);
        check_nic(config_.ports[0], device, config_.lb, machine, findings);
        if (advice) {
            advise_cpus(config_.lb, machine, findings);
            advise_nic(config_.ports[0], device, config_.lb, machine, findings);
        }
        return findings.take();
    }
    // Nothing but what every PCI device has said of it.
    void expect_fine() {
        for (const Finding& finding : found()) {
            EXPECT_THAT(finding.problem, HasSubstr("known only once DPDK has opened it"))
                << finding.to_string();
        }
    }
    // Exactly one finding has `problem`, with this severity and a mend that holds `mend`.
    void expect(Severity severity, const std::string& problem, const std::string& mend) {
        unsigned count = 0;
        std::string all;
        for (const Finding& finding : found()) {
            all += finding.to_string() + "\n";
            if (finding.problem.find(problem) != std::string::npos) {
                ++count;
                EXPECT_EQ(finding.severity, severity) << finding.to_string();
                EXPECT_THAT(finding.mend, HasSubstr(mend));
            }
        }
        EXPECT_EQ(count, 1U) << problem << " in\n" << all;
    }

    fs::path root_;
    Config config_;
};

TEST_F(Preflight, NothingOnAMachineThatHasAll) {
    expect_fine();
    EXPECT_TRUE(found(false).empty());
}

TEST_F(Preflight, AnEmptyTreeIsNoCrash) {
    fs::remove_all(root_);
    EXPECT_FALSE(found().empty());
    fs::create_directories(root_);
}

TEST_F(Preflight, CpusThatAreNotOurs) {
    status("0-1", "1ffffffffff");
    expect(Severity::Error, "lb.cores: this process has no CPU 2", "choose from 0-1");
    status("1-7", "1ffffffffff");
    expect(Severity::Error, "lb.control_core: this process has no CPU 0", "choose from 1-7");
}

TEST_F(Preflight, TheControlCoreAmongTheWorkers) {
    config_.lb.control_core = 1;
    config_.lb.idle = IdleMode::Busy;
    expect(Severity::Warning, "CPU 1 is a busy worker's and the control thread's", "control_core");
    config_.lb.idle = IdleMode::Adaptive;
    expect(Severity::Note, "lb.control_core: CPU 1 is a worker's too", "CPU of its own");
}

TEST_F(Preflight, WorkersThatAreNotIsolated) {
    write("sys/devices/system/cpu/isolated", "\n");
    expect(Severity::Note, "other programs on CPUs 1-2", "isolcpus=1-2 nohz_full=1-2");
    write("sys/devices/system/cpu/isolated", "2\n");
    expect(Severity::Note, "other programs on CPUs 1 too", "isolcpus=1-2");
    fs::remove(root_ / "sys/devices/system/cpu/isolated");
    expect(Severity::Note, "other programs on CPUs 1-2", "isolcpus=1-2");
}

TEST_F(Preflight, AnIsolatedControlCore) {
    write("sys/devices/system/cpu/isolated", "0-3\n");
    expect(Severity::Note, "lb.control_core: CPU 0 is isolated", "control_core");
}

TEST_F(Preflight, WorkersOnOneCore) {
    siblings(1, "1-2");
    siblings(2, "1-2");
    expect(Severity::Note, "CPUs 1-2 are hyperthreads of one core", "lscpu -e");
    siblings(1, "1,5");
    siblings(2, "2,6");
    expect_fine();
}

TEST_F(Preflight, ABusyWorkerAndTheControlThreadOnOneCore) {
    siblings(0, "0-1");
    siblings(1, "0-1");
    expect_fine();
    config_.lb.idle = IdleMode::Busy;
    expect(Severity::Note, "CPUs 0-1 are hyperthreads of one core", "lscpu -e");
}

TEST_F(Preflight, TooFewHugepages) {
    config_.lb.memory_mb = 1025;
    expect(Severity::Error, "512 hugepages of 2048 kB are free, memory_mb = 1025 needs 513",
           "scripts/setup-hugepages 1025");
    config_.lb.hugepages = false;
    expect_fine();
}

TEST_F(Preflight, AKernelWithoutHugepages) {
    write("proc/meminfo", "MemTotal: 1 kB\n");
    expect(Severity::Error, "this kernel has none", "hugepages = false");
}

TEST_F(Preflight, HugepagesOnAnotherNodeThanTheWorkers) {
    free_pages(0, "0\n");
    free_pages(1, "512\n");
    expect(Severity::Warning, "none is free on NUMA node 0, that of worker CPU 1",
           "scripts/setup-hugepages 1024 --node 0");
}

TEST_F(Preflight, NoSuchDevice) {
    fs::remove_all(root_ / kNicDirectory);
    expect(Severity::Error, "there is no PCI device " + kNic, "scripts/bind-nic --status");
}

TEST_F(Preflight, AShortAddressIsTheSameDevice) {
    use("3b:00.0");
    config_.ports[0].tap = "";
    expect_fine();
}

TEST_F(Preflight, ADeviceOfTheKernels) {
    link(kNicDirectory + "/driver", "../../../bus/pci/drivers/ixgbe");
    fs::create_directories(root_ / kNicDirectory / "net/eth1");
    expect(Severity::Error, kNic + " is bound to the kernel's driver ixgbe as eth1",
           "scripts/bind-nic " + kNic);
    fs::remove_all(root_ / kNicDirectory / "net");
    fs::create_directories(root_ / kNicDirectory / "virtio0/net/eth2");
    expect(Severity::Error, kNic + " is bound to the kernel's driver ixgbe as eth2",
           "scripts/bind-nic " + kNic);
    fs::remove(root_ / kNicDirectory / "driver");
    expect(Severity::Error, kNic + " is bound to no driver", "scripts/bind-nic " + kNic);
}

TEST_F(Preflight, DriversThatDpdkWorksWith) {
    fs::remove_all(root_ / "sys/kernel/iommu_groups");
    fs::remove(root_ / kNicDirectory / "iommu_group");
    for (const std::string driver : {"mlx5_core", "mana", "uio_pci_generic", "igb_uio"}) {
        link(kNicDirectory + "/driver", "../../../bus/pci/drivers/" + driver);
        expect_fine();
    }
}

TEST_F(Preflight, VfioWithoutAnIommu) {
    fs::remove_all(root_ / "sys/kernel/iommu_groups/7");
    expect(Severity::Error, "has no IOMMU", "intel_iommu=on iommu=pt");
    write("sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "N\n");
    expect(Severity::Error, "has no IOMMU", "/sys/module/vfio/parameters/enable_unsafe");
    write("sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "Y\n");
    expect(Severity::Warning, "has no IOMMU: it can write to all memory", "intel_iommu=on");
}

TEST_F(Preflight, ANicOnAnotherNodeThanTheWorkers) {
    write(kNicDirectory + "/numa_node", "1\n");
    expect(Severity::Warning, kNic + " is on NUMA node 1, worker CPUs 1-2 are not",
           "choose lb.cores from 4-7");
    write(kNicDirectory + "/numa_node", "-1\n");
    expect_fine();
}

TEST_F(Preflight, AnInterfaceOnAnotherNodeThanTheWorkers) {
    use("net_af_xdp0,iface=eth1");
    write("sys/class/net/eth1/device/numa_node", "1\n");
    expect(Severity::Warning, "eth1 is on NUMA node 1", "choose lb.cores from 4-7");
}

TEST_F(Preflight, FewerRssQueuesThanWorkers) {
    use("net_af_packet0,iface=eth1");
    rx_queues("eth1", 1);
    expect(Severity::Note, "eth1 offers 1 RSS queues for 2 workers", "ethtool -L eth1 combined 2");
    rx_queues("eth1", 2);
    expect_fine();
}

TEST_F(Preflight, RssQueuesOfABoundNicAreNotKnown) {
    expect(Severity::Note, "known only once DPDK has opened it", "show ports");
}

TEST_F(Preflight, MissingCapabilities) {
    use("net_af_packet0,iface=eth1");
    status("0-7", "0");
    expect(Severity::Error, "(CAP_NET_ADMIN and CAP_NET_RAW)",
           "setcap cap_net_admin,cap_net_raw+ep");
    status("0-7", "1000");  // CAP_NET_ADMIN
    expect(Severity::Error, "(CAP_NET_RAW)", "setcap cap_net_admin,cap_net_raw+ep");
    status("0-7", "3000");
    expect_fine();
}

TEST_F(Preflight, AUserThatIsNot) {
    config_.lb.user = "no-such-user";
    expect(Severity::Error, "lb.user: there is no user 'no-such-user'", "useradd");
}

TEST_F(Preflight, AUserThatOnlyRootCanBecome) {
    if (geteuid() == find_account("nobody").value()->uid) {
        GTEST_SKIP() << "is nobody already";
    }
    config_.lb.user = "nobody";
    expect_fine();
    status("0-7", "0");
    expect(Severity::Error, "no permission to become 'nobody' (CAP_SETGID and CAP_SETUID)",
           "start dpdk-lb as root, or as 'nobody'");
}

}  // namespace
}  // namespace dlb
