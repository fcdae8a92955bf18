// KernelMonitor under random changes: whatever iproute2 did, the monitor and `ip route` agree in
// the end. And KernelTables under random bytes: nothing is read beyond a message.
#include <atomic>
#include <cstring>
#include <random>
#include <thread>

#include <linux/rtnetlink.h>

#include "kernel/kernel_tables.hpp"
#include "kernel/monitor.hpp"
#include "kernel_lab.hpp"

namespace dlb {
namespace {

using namespace lab;

const std::vector<std::string> kWatched = {"port0", "port1"};

// What changes, how much the kernel may queue, and whether the monitor reads meanwhile.
struct Churn {
    const char* name;
    enum class What { Ipv4Routes, Routes, Everything } what;
    int receive_buffer;
    bool read_meanwhile;
};

class ChurnTest : public KernelTest, public testing::WithParamInterface<Churn> {
  protected:
    void SetUp() override {
        KernelTest::SetUp();
        run("sysctl -qw net.ipv6.conf.default.accept_dad=0");
        for (unsigned i = 0; i < 3; ++i) {
            const std::string name = kDevices[i];
            run("ip link add " + name + " type veth peer name " + name + "f");
            run("ip link set " + name + "f up");
            run("ip link set " + name + " up");
            run("ip addr add " + v4_net(i) + "1/24 dev " + name);
            run("ip -6 addr add " + v6_net(i) + "1/64 dev " + name);
        }
    }

    static constexpr const char* kDevices[] = {"port0", "port1", "eth0"};
    static std::string v4_net(unsigned device) { return "10." + std::to_string(device) + ".0."; }
    static std::string v6_net(unsigned device) {
        return "2001:db8:" + std::to_string(device) + "::";
    }

    unsigned pick(unsigned below) { return static_cast<unsigned>(random_() % below); }
    std::string pick_of(std::initializer_list<const char*> choices) {
        return *(choices.begin() + pick(static_cast<unsigned>(choices.size())));
    }
    std::string hop(bool v4) {
        const unsigned device = pick(3);
        return "via " + (v4 ? v4_net(device) : v6_net(device)) + std::to_string(2 + pick(3)) +
               " dev " + kDevices[device];
    }
    // One line for `ip -batch`. Few prefixes and metrics, so that they meet.
    std::string route_change(bool v4) {
        const std::string verb =
            pick_of({"add", "add", "append", "prepend", "replace", "replace", "del", "del"});
        std::string line = "route " + verb + " ";
        const bool blackhole = pick(12) == 0;
        const bool bare = blackhole || (verb == "del" && pick(2) == 0);
        const unsigned form = bare ? 0 : 1 + pick(8);
        line += (blackhole ? "blackhole " : "") +
                (v4 ? "192.0.2." + std::to_string(pick(3)) + "/32"
                    : "2001:db8:99::" + std::to_string(pick(3)) + "/128");
        // The kernel's IPv6 dump passes over routes that stand between two hops of a multipath one,
        // so the oracle would be wrong where these kinds mix in one metric.
        const bool apart = !v4 && (form == 1 || form == 2 || (bare && pick(2) == 0));
        line += " metric " + std::to_string((apart ? 12 : 10) + pick(2));
        if (pick(4) == 0) {
            line += " proto " + pick_of({"static", "bgp"});
        }
        return line + hops_in_form(form, v4);
    }
    std::string hops_in_form(unsigned form, bool v4) {
        switch (form) {
            case 0:
                return "";
            case 1:
                return " dev " + std::string(kDevices[pick(3)]);
            case 2:
                return " nhid " + std::to_string((v4 ? 1 : 5) + pick(4));
            case 3:
            case 4:
            case 5:
                return " " + hop(v4);
            default:
                break;
        }
        std::string line;
        for (unsigned i = 0; i <= 1 + pick(2); ++i) {
            line += " nexthop " + hop(v4) + (v4 ? " weight " + std::to_string(1 + pick(2)) : "");
        }
        return line;
    }
    std::string nexthop_change() {
        const unsigned id = 1 + pick(8);
        if (pick(4) == 0) {
            return "nexthop del id " + std::to_string(id);
        }
        // 4 and 8 are groups.
        const std::string what = id == 4 ? "group 1/2" : id == 8 ? "group 5/6" : hop(id < 4);
        return "nexthop replace id " + std::to_string(id) + " " + what;
    }
    std::string link_or_address_change() {
        const unsigned device = pick(3);
        const std::string name = kDevices[device];
        switch (pick(4)) {
            case 0:
                return "link set " + name + " down";
            case 1:
                return "addr del " + v4_net(device) + "1/24 dev " + name;
            case 2:
                return "addr replace " + v4_net(device) + "1/24 dev " + name;
            default:
                return "link set " + name + " up";
        }
    }
    // An interface that went down has lost its IPv6 addresses, and most routes cannot be added.
    static std::vector<std::string> mending() {
        std::vector<std::string> lines;
        for (unsigned i = 0; i < 3; ++i) {
            const std::string name = kDevices[i];
            lines.push_back("link set " + name + " up");
            lines.push_back("addr replace " + v4_net(i) + "1/24 dev " + name);
            lines.push_back("addr replace " + v6_net(i) + "1/64 dev " + name + " nodad");
        }
        return lines;
    }
    std::string neighbor_change() {
        const unsigned device = pick(3);
        const std::string address =
            (pick(2) == 0 ? v4_net(device) : v6_net(device)) + std::to_string(20 + pick(3));
        const std::string entry = address + " dev " + kDevices[device];
        return pick(3) == 0 ? "neigh del " + entry
                            : "neigh replace " + entry + " lladdr 02:00:00:00:00:0" +
                                  std::to_string(pick(4)) + " nud " +
                                  pick_of({"permanent", "noarp", "stale"});
    }
    std::string change(Churn::What what) {
        const bool v4 = what == Churn::What::Ipv4Routes || pick(2) == 0;
        const unsigned kind = what == Churn::What::Everything ? pick(20) : 0;
        return kind < 14   ? route_change(v4)
               : kind < 16 ? nexthop_change()
               : kind < 17 ? link_or_address_change()
                           : neighbor_change();
    }
    std::vector<std::string> changes(Churn::What what) {
        std::vector<std::string> lines =
            pick(3) > 0 && what == Churn::What::Everything ? mending() : std::vector<std::string>();
        // Often so few that no new dump hides a mistake.
        for (unsigned left = 1 + pick(pick(2) == 0 ? 3 : 40); left > 0; --left) {
            lines.push_back(change(what));
        }
        return lines;
    }

    // Another seed: --gtest_random_seed=N
    std::mt19937 random_{20260101U + static_cast<unsigned>(GTEST_FLAG_GET(random_seed))};
};

// What only one of two sorted lists has, a line each.
template <typename T>
std::string difference(const std::vector<T>& monitor, const std::vector<T>& kernel) {
    std::vector<T> only_monitor;
    std::vector<T> only_kernel;
    std::set_difference(monitor.begin(), monitor.end(), kernel.begin(), kernel.end(),
                        std::back_inserter(only_monitor));
    std::set_difference(kernel.begin(), kernel.end(), monitor.begin(), monitor.end(),
                        std::back_inserter(only_kernel));
    return "\nonly the monitor has " + testing::PrintToString(only_monitor) +
           "\nonly the kernel has " + testing::PrintToString(only_kernel);
}

// Usable neighbours as "10.0.0.20 port0 02:…".
std::vector<std::string> neighbors_by_ip() {
    std::vector<std::string> out;
    for (const auto& entry : ip_json("neigh show nud all")) {
        const std::string device = entry.value("dev", "");
        const IpAddress address = ip(entry["dst"]);
        const std::string link_address = entry.value("lladdr", "00:00:00:00:00:00");
        if (std::find(kWatched.begin(), kWatched.end(), device) == kWatched.end() ||
            address.is_multicast() || mac(link_address).is_zero() ||
            entry["state"].at(0) == "FAILED" || entry["state"].at(0) == "INCOMPLETE") {
            continue;
        }
        out.push_back(address.to_string() + " " + device + " " + link_address);
    }
    std::sort(out.begin(), out.end());
    return out;
}

std::vector<std::string> neighbors_of(const KernelMonitor& monitor) {
    std::vector<std::string> out;
    for (const auto& known : monitor.neighbors()) {
        if (known.usable()) {
            out.push_back(known.address.to_string() + " " +
                          (known.ifindex == index_of("port0") ? "port0 " : "port1 ") +
                          known.mac.to_string());
        }
    }
    std::sort(out.begin(), out.end());
    return out;
}

void make_changes(const std::vector<std::string>& lines, KernelMonitor* reader) {
    std::atomic<bool> done = false;
    std::thread batch([&] {
        ip_batch(lines);
        done = true;
    });
    while (reader != nullptr && !done) {
        reader->process();
    }
    batch.join();
}

TEST_P(ChurnTest, MonitorAndIpRouteAgree) {
    constexpr unsigned kRounds = 150;
    run("ip nexthop add id 1 via 10.0.0.2 dev port0");
    run("ip nexthop add id 2 via 10.1.0.2 dev port1");
    run("ip nexthop add id 4 group 1/2");
    run("ip nexthop add id 5 via 2001:db8:0::2 dev port0");
    KernelMonitor monitor(GetParam().receive_buffer);
    monitor.watch(index_of("port0"));
    monitor.watch(index_of("port1"));
    ASSERT_TRUE(monitor.start().ok());
    size_t seen = 0;
    for (unsigned round = 0; round < kRounds; ++round) {
        const std::vector<std::string> lines = changes(GetParam().what);
        make_changes(lines, GetParam().read_meanwhile ? &monitor : nullptr);
        const bool same = eventually(monitor, [&] {
            return sorted(monitor.routes()) == routes_by_ip(kWatched) &&
                   neighbors_of(monitor) == neighbors_by_ip();
        });
        seen += monitor.routes().size();
        ASSERT_TRUE(same) << "round " << round << ", after " << nlohmann::json(lines).dump(1)
                          << difference(sorted(monitor.routes()), routes_by_ip(kWatched))
                          << difference(neighbors_of(monitor), neighbors_by_ip());
    }
    EXPECT_GT(seen, kRounds * 10);  // there was something to agree on
    RecordProperty("resyncs", std::to_string(monitor.resyncs()));
    RecordProperty("overruns", std::to_string(monitor.overruns()));
}

INSTANTIATE_TEST_SUITE_P(
    Changes, ChurnTest,
    testing::Values(Churn{"Ipv4Routes", Churn::What::Ipv4Routes, 8 << 20, false},
                    Churn{"Routes", Churn::What::Routes, 8 << 20, false},
                    Churn{"Everything", Churn::What::Everything, 8 << 20, false},
                    Churn{"EverythingWhileReading", Churn::What::Everything, 8 << 20, true},
                    Churn{"LostMessages", Churn::What::Everything, 4096, false},
                    Churn{"LostMessagesWhileReading", Churn::What::Everything, 4096, true}),
    [](const auto& tested) { return tested.param.name; });

// Every message of a full dump, cut short, with lengths changed and with bytes flipped.
TEST_F(ChurnTest, MalformedMessagesChangeNothingBeyondTheirBytes) {
    run("ip route add 192.0.2.0/24 nexthop via 10.0.0.2 nexthop via inet6 fe80::1 dev port1");
    run("ip neigh add 10.0.0.20 lladdr 02:00:00:00:00:01 dev port0");
    auto socket = NetlinkSocket::open(NETLINK_ROUTE);
    ASSERT_TRUE(socket.ok());
    std::vector<std::vector<char>> messages;
    for (const uint16_t type : {RTM_GETLINK, RTM_GETADDR, RTM_GETNEIGH, RTM_GETROUTE}) {
        NetlinkRequest request(type, NLM_F_DUMP, socket.value().next_sequence());
        request.header<rtmsg>();
        EXPECT_TRUE(socket.value()
                        .transact(request,
                                  [&](const nlmsghdr* message) {
                                      const auto* bytes = reinterpret_cast<const char*>(message);
                                      messages.emplace_back(bytes, bytes + message->nlmsg_len);
                                  })
                        .ok());
    }
    ASSERT_GT(messages.size(), 10U);
    KernelTables tables({index_of("port0"), index_of("port1"), index_of("eth0")});
    for (unsigned round = 0; round < 200; ++round) {
        for (const auto& message : messages) {
            std::vector<char> bytes = message;
            for (unsigned i = 0; i < 1 + pick(4); ++i) {
                bytes[sizeof(nlmsghdr) + pick(static_cast<unsigned>(bytes.size() - 16))] =
                    static_cast<char>(pick(256));
            }
            // Exactly as long as it says, so that a sanitizer sees each byte read beyond it.
            bytes.resize(sizeof(nlmsghdr) + pick(static_cast<unsigned>(bytes.size() - 15)));
            bytes.shrink_to_fit();
            auto* header = reinterpret_cast<nlmsghdr*>(bytes.data());
            header->nlmsg_len = static_cast<uint32_t>(bytes.size());
            tables.apply(header, pick(2) == 0);
        }
    }
    for (const auto& message : messages) {
        tables.apply(reinterpret_cast<const nlmsghdr*>(message.data()), true);
    }
    EXPECT_EQ(tables.links().size(), 3U);
}

}  // namespace
}  // namespace dlb
