// What a port's device string says, and what is added to it.
#include "eal/device_string.hpp"

#include <string>

#include <gtest/gtest.h>

namespace dlb {
namespace {

std::string complete(const std::string& device, unsigned mtu) {
    return complete_device(parse_device(device), 2, mtu);
}

unsigned room(const std::string& device, unsigned mtu) {
    return frame_room(parse_device(device), mtu);
}

const std::string kAfPacket = "net_af_packet0,iface=eth0";

TEST(DeviceString, AFrameOfTheDefaultRingTakesAnMtuUpTo1920) {
    EXPECT_EQ(complete(kAfPacket, 1500), kAfPacket + ",qpairs=2");
    EXPECT_EQ(complete(kAfPacket, 1920), kAfPacket + ",qpairs=2");
    EXPECT_EQ(complete(kAfPacket, 1921), kAfPacket + ",qpairs=2,framesz=4096,blocksz=4096");
}

TEST(DeviceString, ABlockOfTheRingIsOneJumboFrame) {
    EXPECT_EQ(complete(kAfPacket, 9000), kAfPacket + ",qpairs=2,framesz=12288,blocksz=12288");
}

TEST(DeviceString, TheUsersOwnFramesAreKept) {
    const std::string own = kAfPacket + ",framesz=16384";
    EXPECT_EQ(complete(own, 9000), own + ",qpairs=2,blocksz=16384");
    EXPECT_EQ(room(own, 9000), 16384U - 32);
    EXPECT_EQ(complete(own + ",blocksz=65536", 9000), own + ",blocksz=65536,qpairs=2");
}

TEST(DeviceString, ABufferHoldsWhatTheRingMayHold) {
    for (unsigned mtu = 576; mtu <= 9216; ++mtu) {
        const std::string device = complete(kAfPacket, mtu);
        const auto given = device_argument(device, "framesz");
        const unsigned frame = given ? static_cast<unsigned>(std::stoul(*given)) : 2048;
        ASSERT_GE(room(kAfPacket, mtu), frame - 32) << mtu;  // DPDK 22.11, eth_rx_queue_setup()
        ASSERT_GE(frame, mtu + 18 + 66) << mtu;              // tp_mac of tpacket_rcv()
    }
}

TEST(DeviceString, OtherDevicesNeedTheFrameAlone) {
    EXPECT_EQ(room("0000:3b:00.0", 9000), 9018U);
    EXPECT_EQ(room("net_tap0,iface=x", 1500), 1518U);
}

TEST(QueuePairs, AsTheArgumentsSay) {
    const auto pairs = [](const char* device) { return queue_pairs(parse_device(device)); };
    EXPECT_EQ(pairs("net_af_packet0,iface=eth0,qpairs=1"), 1U);
    EXPECT_EQ(pairs("net_af_packet0,iface=eth0"), std::nullopt);
    EXPECT_EQ(pairs("net_af_packet0,iface=eth0,qpairs=x"), std::nullopt);
    EXPECT_EQ(pairs("net_af_xdp0,iface=eth0,queue_count=2"), 2U);
    EXPECT_EQ(pairs("net_pcap0,rx_pcap=a,rx_pcap=b,tx_pcap=c"), 1U);
    EXPECT_EQ(pairs("net_pcap0,rx_pcap=a,rx_pcap=b,tx_pcap=c,tx_pcap=d"), 2U);
    EXPECT_EQ(pairs("net_pcap0,iface=eth0"), 1U);
    EXPECT_EQ(pairs("net_tap0,iface=tap0"), std::nullopt);
    EXPECT_EQ(pairs("0000:3b:00.0"), std::nullopt);
}

}  // namespace
}  // namespace dlb
