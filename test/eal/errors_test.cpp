// ICMP errors among several workers: whichever queue they come by, they reach the flow's backend,
// or its client.
#include <gtest/gtest.h>

#include "support/model_helpers.hpp"
#include "worker_lab.hpp"

namespace dlb::test {
namespace {

constexpr unsigned kWorkers = 3;

class ErrorsTest : public ::testing::TestWithParam<bool> {
  protected:
    void SetUp() override { WorkerLab::start_eal(); }
    bool v4() const { return GetParam(); }
    std::string text(const char* of_v4, const char* of_v6) const { return v4() ? of_v4 : of_v6; }
    const std::string vip_ = text("10.1.1.1", "2001:db8:1::1");
    const std::string client_ = text("192.0.2.7", "2001:db8:9::7");
    const std::string router_ = text("198.51.100.1", "2001:db8:7::1");
    const std::string own_ = text("10.0.0.106", "2001:db8::106");
    const std::string first_ = text("10.0.0.11", "2001:db8::11");
    const std::string second_ = text("10.0.0.12", "2001:db8::12");

    std::string at(const std::string& address, unsigned port) const {
        return (v4() ? address : "[" + address + "]") + ":" + std::to_string(port);
    }
    ServiceConfig web(Mode mode) const {
        return service({.name = "web",
                        .vip = {vip_},
                        .ports = {80},
                        .backends = {at(first_, 8080), at(second_, 8080)},
                        .mode = mode});
    }
    PacketBuilder tcp(const std::string& from, uint16_t source, const std::string& to,
                      uint16_t destination) const {
        return PacketBuilder().ipv4(from, to).tcp(source, destination).payload("data");
    }
    // An unreachable about `quoted`; cut to what RFC 792 wants.
    PacketBuilder error(const std::string& from, const std::string& to,
                        const PacketBuilder& quoted) const {
        Bytes bytes = quoted.build_ip();
        bytes.resize((v4() ? 20 : 40) + 8);
        return PacketBuilder().ipv4(from, to).icmp(v4() ? 3 : 1, 1).payload(bytes);
    }
    // As the lab sends it on.
    Bytes sent(PacketBuilder packet, const std::string& neighbor) const {
        const IpAddress address = ip(neighbor);
        const uint8_t last = address.bytes()[address.size() - 1];
        return packet.ttl(63).ethernet({0x02, 0, 0, 0, 0, last}, {0x02, 0, 0, 0, 0, 0xaa}).build();
    }
    std::string gateway() const { return text("10.0.0.1", "2001:db8::1"); }
};
INSTANTIATE_TEST_SUITE_P(Families, ErrorsTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "V4" : "V6"; });

TEST_P(ErrorsTest, OfNatByAnyQueue) {
    ServiceConfig config = web(Mode::Nat);
    WorkerLab lab({config}, {.workers = kWorkers, .queues = {.any_queue = true}});
    lab.know(first_);
    lab.know(second_);
    std::vector<std::string> backend_of(40);
    for (uint16_t flow = 0; flow < backend_of.size(); ++flow) {
        const auto port = static_cast<uint16_t>(1000 + flow);
        const auto out = lab.pass(tcp(client_, port, vip_, 80).build(), flow % kWorkers);
        ASSERT_EQ(out.size(), 1U);
        backend_of[flow] =
            out[0][5] == ip(first_).bytes()[ip(first_).size() - 1] ? first_ : second_;
    }
    // The flows alone know from here on.
    ASSERT_TRUE(lab.model().set_draining("web", ip(first_), std::nullopt, true).ok());
    lab.publish();
    for (uint16_t flow = 0; flow < backend_of.size(); ++flow) {
        const auto port = static_cast<uint16_t>(1000 + flow);
        const std::string& backend = backend_of[flow];
        for (unsigned queue = 0; queue < kWorkers; ++queue) {
            const auto out =
                lab.pass(error(router_, vip_, tcp(vip_, 80, client_, port)).build(), queue);
            ASSERT_EQ(out.size(), 1U);
            EXPECT_EQ(out[0],
                      sent(error(router_, backend, tcp(backend, 8080, client_, port)), backend));
            const auto back =
                lab.pass(error(router_, client_, tcp(client_, port, backend, 8080)).build(), queue);
            ASSERT_EQ(back.size(), 1U);
            EXPECT_EQ(back[0], sent(error(vip_, client_, tcp(client_, port, vip_, 80)), gateway()));
        }
    }
    EXPECT_EQ(lab.count(Verdict::IcmpForwarded), 2U * kWorkers * backend_of.size());
    EXPECT_EQ(lab.mbufs_in_use(), 0U);
}

TEST_P(ErrorsTest, OfFnatByAnyQueue) {
    WorkerLab lab({web(Mode::Fnat)}, {.workers = kWorkers, .queues = {.any_queue = true}});
    lab.know(first_);
    lab.know(second_);
    for (uint16_t port = 1000; port < 1030; ++port) {
        const auto request = lab.pass(tcp(client_, port, vip_, 80).build(), port % kWorkers);
        ASSERT_EQ(request.size(), 1U);
        const auto snat = static_cast<uint16_t>(get16(request[0], 14 + (v4() ? 20 : 40)));
        const bool is_first = request[0][5] == ip(first_).bytes()[ip(first_).size() - 1];
        const std::string& backend = is_first ? first_ : second_;
        for (unsigned queue = 0; queue < kWorkers; ++queue) {
            const auto out =
                lab.pass(error(router_, vip_, tcp(vip_, 80, client_, port)).build(), queue);
            ASSERT_EQ(out.size(), 1U);
            EXPECT_EQ(out[0], sent(error(own_, backend, tcp(backend, 8080, own_, snat)), backend));
            const auto back =
                lab.pass(error(router_, own_, tcp(own_, snat, backend, 8080)).build(), queue);
            ASSERT_EQ(back.size(), 1U);
            EXPECT_EQ(back[0], sent(error(vip_, client_, tcp(client_, port, vip_, 80)), gateway()));
        }
    }
    // What is no flow's is the kernel's, as it came.
    const Bytes kernels = error(router_, own_, tcp(own_, 60000, first_, 22)).build();
    lab.pass(kernels, 1);
    unsigned given = 0;
    for (unsigned worker = 0; worker < kWorkers; ++worker) {
        for (const auto& punted : lab.for_control(worker)) {
            EXPECT_EQ(punted.frame, kernels);
            ++given;
        }
    }
    EXPECT_EQ(given, 1U);
    EXPECT_EQ(lab.mbufs_in_use(), 0U);
}

}  // namespace
}  // namespace dlb::test
