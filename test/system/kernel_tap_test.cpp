// Tap: the port's twin in the kernel.
#include <optional>

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <sys/mount.h>
#include <sys/socket.h>

#include "kernel/link.hpp"
#include "kernel/tap.hpp"
#include "kernel/unique_fd.hpp"
#include "kernel_lab.hpp"

namespace dlb {
namespace {

using namespace lab;

const MacAddress kMac = mac("02:00:00:00:aa:01");
const MacAddress kPeerMac = mac("02:00:00:00:aa:02");

using Frame = std::vector<uint8_t>;

// The Internet checksum over a pseudo header and payload: 0 where the checksum inside is right.
uint16_t internet_sum(const Frame& bytes) {
    uint32_t sum = 0;
    for (size_t i = 0; i < bytes.size(); ++i) {
        sum += static_cast<uint32_t>(bytes[i]) << (i % 2 == 0 ? 8 : 0);
    }
    while (sum >> 16 != 0) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return static_cast<uint16_t>(~sum);
}

// The L4 part of a frame behind its pseudo header, if it is of that protocol.
std::optional<Frame> l4_for_checksum(const Frame& frame, uint8_t protocol) {
    const unsigned type = frame.size() < 42 ? 0 : frame[12] << 8 | frame[13];
    const bool v4 = type == ETH_P_IP && frame[23] == protocol;
    if (!v4 && !(type == ETH_P_IPV6 && frame[20] == protocol)) {
        return std::nullopt;
    }
    const size_t start = v4 ? 34 : 54;
    const size_t end = v4 ? 14 + (frame[16] << 8 | frame[17]) : frame.size();
    Frame out(frame.begin() + (v4 ? 26 : 22), frame.begin() + static_cast<ptrdiff_t>(start));
    const size_t length = end - start;
    out.insert(out.end(),
               {0, protocol, static_cast<uint8_t>(length >> 8), static_cast<uint8_t>(length)});
    out.insert(out.end(), frame.begin() + static_cast<ptrdiff_t>(start),
               frame.begin() + static_cast<ptrdiff_t>(end));
    return out;
}

class TapTest : public KernelTest {
  protected:
    Tap make_tap(const std::string& name = "uplink0") {
        auto tap = Tap::create(name, kMac, 1500);
        EXPECT_TRUE(tap.ok()) << tap.error();
        return std::move(tap).value();
    }

    // The first frame for which `wanted` holds, of those that the kernel sends.
    static Frame read_until(Tap& tap, const std::function<bool(const Frame&)>& wanted) {
        Frame found;
        EXPECT_TRUE(eventually(tap.fd(), [&] {
            Frame frame(2048);
            size_t size = 0;
            while (found.empty() && (size = tap.read(frame)) > 0) {
                Frame cut(frame.begin(), frame.begin() + static_cast<ptrdiff_t>(size));
                if (wanted(cut)) {
                    found = cut;
                }
            }
            return !found.empty();
        }));
        return found;
    }
};

TEST_F(TapTest, HasTheMacTheMtuAndIsUp) {
    auto tap = Tap::create("uplink0", kMac, 9000);
    ASSERT_TRUE(tap.ok()) << tap.error();
    const auto shown = ip_json("-d link show dev uplink0").at(0);
    EXPECT_EQ(shown["address"], kMac.to_string());
    EXPECT_EQ(shown["mtu"], 9000);
    EXPECT_EQ(shown["ifindex"], tap.value().ifindex());
    EXPECT_EQ(shown["linkinfo"]["info_data"]["type"], "tap");
    EXPECT_FALSE(shown["linkinfo"]["info_data"]["persist"]);
    const auto flags = shown["flags"];
    EXPECT_NE(std::find(flags.begin(), flags.end(), "UP"), flags.end());
    EXPECT_EQ(tap.value().name(), "uplink0");
    EXPECT_TRUE(tap.value().warnings().empty());
}

TEST_F(TapTest, TurnsChecksumAndSegmentationOffloadsOff) {
    const Tap tap = make_tap();
    const auto state = offload_state("uplink0");
    ASSERT_TRUE(state.ok());
    EXPECT_FALSE(state.value().tx_checksum);
    EXPECT_FALSE(state.value().tso);
    const std::string shown = output_of("ethtool -k uplink0");
    EXPECT_NE(shown.find("tx-checksumming: off"), std::string::npos) << shown;
    EXPECT_NE(shown.find("\ntcp-segmentation-offload: off"), std::string::npos) << shown;
}

TEST_F(TapTest, KernelFinishesTheChecksumsOfWhatItSends) {
    Tap tap = make_tap();
    auto rtnetlink = Rtnetlink::open();
    ASSERT_TRUE(rtnetlink.ok());
    for (const std::string text : {"10.9.0.1/24", "2001:db8:9::1/64"}) {
        ASSERT_TRUE(rtnetlink.value().add_address(tap.ifindex(), interface_address(text)).ok());
    }
    for (const std::string text : {"10.9.0.2", "2001:db8:9::2"}) {
        run("ip neigh add " + text + " lladdr " + kPeerMac.to_string() + " dev uplink0");
    }
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(7777);
    inet_pton(AF_INET, "10.9.0.2", &v4.sin_addr);
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(7777);
    inet_pton(AF_INET6, "2001:db8:9::2", &v6.sin6_addr);
    const std::pair<sockaddr*, socklen_t> destinations[] = {
        {reinterpret_cast<sockaddr*>(&v4), sizeof v4},
        {reinterpret_cast<sockaddr*>(&v6), sizeof v6}};
    for (const auto& [address, size] : destinations) {
        const UniqueFd udp(socket(address->sa_family, SOCK_DGRAM, 0));
        ASSERT_EQ(sendto(udp.get(), "hello", 5, 0, address, size), 5);
        Frame frame = read_until(
            tap, [](const Frame& f) { return l4_for_checksum(f, IPPROTO_UDP).has_value(); });
        ASSERT_FALSE(frame.empty());
        EXPECT_EQ(internet_sum(*l4_for_checksum(frame, IPPROTO_UDP)), 0);
        EXPECT_TRUE(std::equal(frame.begin(), frame.begin() + 6, kPeerMac.bytes.begin()));
        EXPECT_TRUE(std::equal(frame.begin() + 6, frame.begin() + 12, kMac.bytes.begin()));

        const UniqueFd tcp(socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0));
        EXPECT_EQ(connect(tcp.get(), address, size), -1);
        frame = read_until(
            tap, [](const Frame& f) { return l4_for_checksum(f, IPPROTO_TCP).has_value(); });
        ASSERT_FALSE(frame.empty());
        EXPECT_EQ(internet_sum(*l4_for_checksum(frame, IPPROTO_TCP)), 0);
    }
}

TEST_F(TapTest, KernelAnswersWhatIsWritten) {
    Tap tap = make_tap();
    run("ip addr add 10.9.0.1/24 dev uplink0");
    Frame request(42);  // ARP who-has 10.9.0.1 tell 10.9.0.2
    std::fill_n(request.begin(), 6, uint8_t{0xff});
    std::copy(kPeerMac.bytes.begin(), kPeerMac.bytes.end(), request.begin() + 6);
    const Frame arp = {0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1};
    std::copy(arp.begin(), arp.end(), request.begin() + 12);
    std::copy(kPeerMac.bytes.begin(), kPeerMac.bytes.end(), request.begin() + 22);
    const Frame sender = {10, 9, 0, 2};
    const Frame target = {10, 9, 0, 1};
    std::copy(sender.begin(), sender.end(), request.begin() + 28);
    std::copy(target.begin(), target.end(), request.begin() + 38);
    ASSERT_TRUE(tap.write(request));
    const Frame reply = read_until(tap, [](const Frame& frame) {
        return frame.size() >= 42 && frame[12] == 0x08 && frame[13] == 0x06 && frame[21] == 2;
    });
    ASSERT_FALSE(reply.empty());
    EXPECT_TRUE(std::equal(kMac.bytes.begin(), kMac.bytes.end(), reply.begin() + 22));
    EXPECT_FALSE(tap.write(Frame(5)));  // shorter than an Ethernet header
}

TEST_F(TapTest, ReadsNothingWhereThereIsNothing) {
    run("sysctl -qw net.ipv6.conf.default.disable_ipv6=1");  // else there are multicast reports
    Tap tap = make_tap();
    Frame buffer(2048);
    EXPECT_EQ(tap.read(buffer), 0U);
    EXPECT_FALSE(tap.deleted());
    EXPECT_TRUE(tap.warnings().empty());
}

TEST_F(TapTest, Ipv6AddressesAreUsableAtOnce) {
    // A machine's own defaults do not matter: stable privacy addresses, detection everywhere.
    run("sysctl -qw net.ipv6.conf.default.addr_gen_mode=1 net.ipv6.conf.default.accept_ra=2");
    const Tap tap = make_tap();
    const std::string conf = "/proc/sys/net/ipv6/conf/uplink0/";
    EXPECT_EQ(read_line(conf + "accept_dad"), "0");
    EXPECT_EQ(read_line(conf + "accept_ra"), "0");
    EXPECT_EQ(read_line(conf + "addr_gen_mode"), "0");
    auto rtnetlink = Rtnetlink::open();
    const auto added =
        rtnetlink.value().add_address(tap.ifindex(), interface_address("2001:db8:9::1/64"));
    ASSERT_TRUE(added.ok()) << added.error();
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    inet_pton(AF_INET6, "2001:db8:9::1", &address.sin6_addr);
    const UniqueFd socket_fd(socket(AF_INET6, SOCK_DGRAM, 0));
    EXPECT_EQ(bind(socket_fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    // The one made from the MAC, and those that others add, wait for a work queue of the kernel.
    run("ip addr add 2001:db8:9::2/64 dev uplink0");
    EXPECT_TRUE(eventually(-1, [] {
        const auto all = addresses_by_ip("uplink0");
        return all.size() == 3 && std::none_of(all.begin(), all.end(), [](const auto& one) {
                   return one.value("tentative", false);
               });
    }));
    bool link_local = false;
    for (const auto& one : addresses_by_ip("uplink0")) {
        link_local |= one["local"] == "fe80::ff:fe00:aa01";
    }
    EXPECT_TRUE(link_local);
}

TEST_F(TapTest, ReversePathFilterIsOffOrLoose) {
    const std::string file = "/proc/sys/net/ipv4/conf/uplink0/rp_filter";
    run("sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=1");
    {
        const Tap tap = make_tap();
        EXPECT_EQ(read_line(file), "0");
    }
    run("sysctl -qw net.ipv4.conf.all.rp_filter=1");
    {
        const Tap tap = make_tap();
        EXPECT_EQ(read_line(file), "2");
    }
}

TEST_F(TapTest, ReadOnlySysctlsAreWarningsNotErrors) {
    run("sysctl -qw net.ipv4.conf.default.rp_filter=1");
    const std::string said = with_own_mounts([]() -> std::string {
        if (mount("/proc/sys", "/proc/sys", nullptr, MS_BIND, nullptr) != 0 ||
            mount(nullptr, "/proc/sys", nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) != 0) {
            return "cannot remount";
        }
        auto tap = Tap::create("uplink0", kMac, 1500);
        std::string all = tap.error();
        for (const auto& warning : tap.ok() ? tap.value().warnings() : std::vector<std::string>()) {
            all += warning + "\n";
        }
        return all;
    });
    EXPECT_NE(said.find("cannot set sysctl net.ipv4.conf.uplink0.rp_filter to 0 (Read-only file "
                        "system): packets on asymmetric paths may be dropped"),
              std::string::npos)
        << said;
    EXPECT_NE(said.find("accept_dad"), std::string::npos) << said;
}

TEST_F(TapTest, RefusesANameInUse) {
    const std::string message =
        "an interface 'uplink0' exists already: choose another `tap` name or stop what owns it";
    {
        const Tap first = make_tap();
        EXPECT_EQ(Tap::create("uplink0", kMac, 1500).error(), message);
    }
    run("ip tuntap add uplink0 mode tap");  // persistent, nobody attached: still not ours
    EXPECT_EQ(Tap::create("uplink0", kMac, 1500).error(), message);
    run("ip link del uplink0");
    run("ip link add uplink0 type bridge");
    EXPECT_EQ(Tap::create("uplink0", kMac, 1500).error(), message);
}

TEST_F(TapTest, SaysWhatIsWrongWithItsArguments) {
    for (const std::string name : {"", "sixteen-letters-", "a b", "a/b", "tap%d", ".", "a:b"}) {
        EXPECT_NE(Tap::create(name, kMac, 1500).error().find("is no name for a TAP"),
                  std::string::npos)
            << name;
    }
    EXPECT_NE(Tap::create("t0", MacAddress{}, 1500).error().find("unicast"), std::string::npos);
    EXPECT_NE(Tap::create("t0", mac("01:00:5e:00:00:01"), 1500).error().find("unicast"),
              std::string::npos);
    EXPECT_NE(Tap::create("t0", kMac, 10).error().find("give a number from 68"), std::string::npos);
    EXPECT_EQ(index_of("t0"), 0);  // a failure leaves nothing behind
    EXPECT_TRUE(Tap::create("t0", kMac, 68).ok());
    EXPECT_TRUE(Tap::create("t0", kMac, 65521).ok());
}

TEST_F(TapTest, NeedsPrivilege) {
    const std::string said = as_nobody([] { return Tap::create("uplink0", kMac, 1500).error(); });
    EXPECT_EQ(said, "cannot create TAP 'uplink0': it needs root or CAP_NET_ADMIN");
}

TEST_F(TapTest, SaysHowToGetAMissingDevice) {
    const std::string said = with_own_mounts([]() -> std::string {
        if (mount("none", "/dev/net", "tmpfs", 0, nullptr) != 0) {
            return "cannot mount";
        }
        return Tap::create("uplink0", kMac, 1500).error();
    });
    EXPECT_NE(said.find("modprobe tun"), std::string::npos) << said;
    EXPECT_NE(said.find("mknod /dev/net/tun c 10 200"), std::string::npos) << said;
}

TEST_F(TapTest, GoesWithTheObjectAndTheProcess) {
    {
        Tap first = make_tap();
        Tap moved = std::move(first);
        EXPECT_NE(index_of("uplink0"), 0);
        moved = make_tap("other0");
        EXPECT_NE(index_of("other0"), 0);
    }
    EXPECT_EQ(index_of("uplink0"), 0);
    EXPECT_EQ(index_of("other0"), 0);

    Child child = Child::with([] {
        static auto tap = Tap::create("uplink0", kMac, 1500);
        return tap.ok();
    });
    EXPECT_NE(index_of("uplink0"), 0);
    child.kill_now();
    EXPECT_EQ(index_of("uplink0"), 0);
}

TEST_F(TapTest, NoticesThatSomebodyDeletedIt) {
    Tap tap = make_tap();
    run("ip link del uplink0");
    Frame buffer(2048);
    EXPECT_TRUE(eventually(tap.fd(), [&] { return tap.read(buffer) == 0 && tap.deleted(); }));
    EXPECT_FALSE(tap.write(Frame(60)));
}

}  // namespace
}  // namespace dlb
