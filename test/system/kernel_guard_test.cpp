// IngressGuard: the kernel neither sees nor answers what arrives; packet sockets do.
#include <array>
#include <memory>

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sched.h>
#include <sys/socket.h>

#include "kernel/ingress_guard.hpp"
#include "kernel/unique_fd.hpp"
#include "kernel_lab.hpp"

namespace dlb {
namespace {

using namespace lab;

class GuardTest : public KernelTest {
  protected:
    void SetUp() override {
        KernelTest::SetUp();
        run("sysctl -qw net.ipv6.conf.default.accept_dad=0");
        peer_ = std::make_unique<Child>(Child::namespace_of_its_own());
        make_link_to(*peer_, "port0");
        run("ip addr add 10.6.0.1/24 dev port0");
        run("ip -6 addr add 2001:db8:6::1/64 dev port0 nodad");
        peer_->run("ip addr add 10.6.0.2/24 dev port0p");
        peer_->run("ip -6 addr add 2001:db8:6::2/64 dev port0p nodad");
    }

    // True if the peer gets an echo reply. Neighbours are permanent: ARP and ND do not matter.
    bool answers(const std::string& address) const {
        const auto ours = ip_json("link show dev port0").at(0)["address"].get<std::string>();
        peer_->run("ip neigh replace " + address + " lladdr " + ours + " dev port0p");
        const std::string shown =
            peer_->output_of("sh -c 'ping -n -c 1 -W 1 " + address + " || true'");
        return shown.find(" 0% packet loss") != std::string::npos;
    }
    void expect_answers(bool expected) const {
        EXPECT_EQ(answers("10.6.0.1"), expected);
        EXPECT_EQ(answers("2001:db8:6::1"), expected);
    }
    static std::string tables() { return output_of("nft list tables netdev"); }
    static std::string ruleset() { return output_of("nft list ruleset netdev"); }

    std::unique_ptr<Child> peer_;
};

// A packet socket that counts echo requests.
class PacketSocket {
  public:
    PacketSocket() : fd_(socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(ETH_P_ALL))) {
        sockaddr_ll address{};
        address.sll_family = AF_PACKET;
        address.sll_protocol = htons(ETH_P_ALL);
        address.sll_ifindex = index_of("port0");
        EXPECT_EQ(bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    }
    unsigned echo_requests() {
        std::array<uint8_t, 2048> frame;
        ssize_t size = 0;
        unsigned count = 0;
        while ((size = recv(fd_.get(), frame.data(), frame.size(), 0)) > 0) {
            const bool v4 = size > 34 && frame[12] == 0x08 && frame[13] == 0 && frame[23] == 1;
            const bool v6 = size > 54 && frame[12] == 0x86 && frame[20] == 58;
            count += (v4 && frame[34] == 8) || (v6 && frame[54] == 128) ? 1 : 0;
        }
        return count;
    }

  private:
    UniqueFd fd_;
};

TEST_F(GuardTest, KeepsTheKernelOffButNotPacketSockets) {
    expect_answers(true);
    {
        auto guard = IngressGuard::create("lb1", "port0");
        ASSERT_TRUE(guard.ok()) << guard.error();
        EXPECT_EQ(guard.value().table(), "dpdk-lb/port0");
        const std::string rules = ruleset();
        EXPECT_NE(rules.find("hook ingress device \"port0\" priority filter; policy drop"),
                  std::string::npos)
            << rules;
        EXPECT_NE(rules.find("owner"), std::string::npos) << rules;
        EXPECT_NE(rules.find("comment \"dpdk-lb 'lb1'\""), std::string::npos) << rules;
        PacketSocket packets;
        expect_answers(false);
        EXPECT_EQ(packets.echo_requests(), 2U);
        IngressGuard moved = std::move(guard).value();
        expect_answers(false);
    }
    EXPECT_EQ(tables(), "");
    expect_answers(true);
}

TEST_F(GuardTest, AssignmentEndsTheOldGuard) {
    run("ip link add port1 type veth peer name port1p");
    auto first = IngressGuard::create("lb1", "port0");
    ASSERT_TRUE(first.ok());
    {
        auto second = IngressGuard::create("lb1", "port1");
        ASSERT_TRUE(second.ok()) << second.error();
        first.value() = std::move(second).value();
    }
    EXPECT_EQ(tables(), "table netdev dpdk-lb/port1\n");
    expect_answers(true);
}

TEST_F(GuardTest, GoesWithAKilledProcess) {
    Child child = Child::with([] {
        static auto guard = IngressGuard::create("lb1", "port0");
        return guard.ok();
    });
    expect_answers(false);
    EXPECT_EQ(tables(), "table netdev dpdk-lb/port0\n");
    child.kill_now();
    EXPECT_EQ(tables(), "");
    expect_answers(true);
}

TEST_F(GuardTest, SurvivesAFlushOfTheRules) {
    auto guard = IngressGuard::create("lb1", "port0");
    ASSERT_TRUE(guard.ok());
    run("nft flush ruleset");
    EXPECT_EQ(tables(), "table netdev dpdk-lb/port0\n");
    EXPECT_FALSE(answers("10.6.0.1"));
}

TEST_F(GuardTest, OneGuardAnInterface) {
    const std::string message =
        "interface 'port0' is in use by dpdk-lb 'lb1' already (nf_tables table netdev "
        "dpdk-lb/port0): stop it or give this one another interface; if nothing runs: nft delete "
        "table netdev dpdk-lb/port0";
    auto guard = IngressGuard::create("lb1", "port0");
    ASSERT_TRUE(guard.ok());
    for (const std::string owner : {"lb1", "lb2"}) {
        EXPECT_EQ(IngressGuard::create(owner, "port0").error(), message);
        EXPECT_EQ(IngressGuard::create_unowned(owner, "port0").error(), message);
    }
    EXPECT_FALSE(answers("10.6.0.1"));  // the first still holds
    // Another namespace has another port0.
    const std::string said = [] {
        Child other = Child::with([] {
            static std::optional<IngressGuard> kept;
            if (unshare(CLONE_NEWNET) != 0) {
                return false;
            }
            run("ip link add port0 type veth peer name port0p");
            auto mine = IngressGuard::create("lb2", "port0");
            return mine.ok();
        });
        return std::string("made");
    }();
    EXPECT_EQ(said, "made");
}

TEST_F(GuardTest, UnownedTableForOldKernels) {
    {
        auto guard = IngressGuard::create_unowned("lb 1\"", "port0");
        ASSERT_TRUE(guard.ok()) << guard.error();
        EXPECT_EQ(guard.value().table(), "dpdk-lb/port0/lb_1_");
        EXPECT_EQ(tables(), "table netdev dpdk-lb/port0/lb_1_\n");
        EXPECT_EQ(ruleset().find("owner"), std::string::npos);
        expect_answers(false);
        const auto second = IngressGuard::create_unowned("lb2", "port0");
        EXPECT_NE(second.error().find("in use by dpdk-lb 'lb_1_' already"), std::string::npos)
            << second.error();
    }
    EXPECT_EQ(tables(), "");
    expect_answers(true);
}

TEST_F(GuardTest, UnownedTableLeftOverIsReplaced) {
    Child child = Child::with([] {
        static auto guard = IngressGuard::create_unowned("lb1", "port0");
        return guard.ok();
    });
    child.kill_now();
    EXPECT_EQ(tables(), "table netdev dpdk-lb/port0/lb1\n");
    {
        auto guard = IngressGuard::create_unowned("lb1", "port0");
        ASSERT_TRUE(guard.ok()) << guard.error();
        EXPECT_EQ(tables(), "table netdev dpdk-lb/port0/lb1\n");
        EXPECT_FALSE(answers("10.6.0.1"));
    }
    EXPECT_EQ(tables(), "");
}

TEST_F(GuardTest, SomebodyElsesTableOfThatNameIsNamed) {
    run("nft add table netdev dpdk-lb/port0");
    const auto guard = IngressGuard::create("lb1", "port0");
    EXPECT_NE(guard.error().find("in use by another dpdk-lb already (nf_tables table netdev "
                                 "dpdk-lb/port0)"),
              std::string::npos)
        << guard.error();
    run("nft delete table netdev dpdk-lb/port0");  // the mend works
    EXPECT_TRUE(IngressGuard::create("lb1", "port0").ok());
}

TEST_F(GuardTest, SaysWhatIsWrong) {
    EXPECT_EQ(IngressGuard::create("lb1", "eth7").error(),
              "there is no interface 'eth7': `ip link` lists those there are");
    const std::string said = as_nobody([] { return IngressGuard::create("lb1", "port0").error(); });
    EXPECT_EQ(said, "cannot keep the kernel off interface 'port0': it needs root or CAP_NET_ADMIN");
    const std::string unowned =
        as_nobody([] { return IngressGuard::create_unowned("lb1", "port0").error(); });
    EXPECT_EQ(unowned, said);
}

TEST_F(GuardTest, LongestNamesFit) {
    run("ip link add fifteen-letters type veth peer name far0");
    auto guard = IngressGuard::create(std::string(300, 'x'), "fifteen-letters");
    ASSERT_TRUE(guard.ok()) << guard.error();
    auto gone = IngressGuard::create_unowned(std::string(300, 'x'), "far0");
    EXPECT_TRUE(gone.ok()) << gone.error();
    EXPECT_EQ(gone.value().table(), "dpdk-lb/far0/" + std::string(64, 'x'));
}

TEST_F(GuardTest, AnInterfaceMayGoBeforeItsGuard) {
    auto guard = IngressGuard::create("lb1", "port0");
    ASSERT_TRUE(guard.ok());
    run("ip link del port0");
    guard = Error{"done"};
    EXPECT_EQ(tables(), "");
}

}  // namespace
}  // namespace dlb
