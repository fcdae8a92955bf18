// IpAddress, Prefix, InterfaceAddress, Endpoint, MacAddress: what they take, refuse and print.
#include <algorithm>
#include <unordered_set>

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include "net/byte_order.hpp"
#include "net/ip_address.hpp"
#include "net/mask.hpp"

namespace dlb {
namespace {

struct Spelling {
    const char* text;
    const char* printed;  // nullptr: as `text`
};

std::string printed(const Spelling& spelling) {
    return spelling.printed == nullptr ? spelling.text : spelling.printed;
}

// Anything of this is refused by every parser that takes an address alone.
constexpr const char* kBadAddresses[] = {"",
                                         " ",
                                         "10.0.0",
                                         "10.0.0.1.2",
                                         "10.0.0.256",
                                         "10.0.0.-1",
                                         "10.0.0.1 ",
                                         " 10.0.0.1",
                                         "10.0.0.01",
                                         "10.0.0.0x1",
                                         "10..0.1",
                                         "0x0a000001",
                                         "167772161",
                                         "localhost",
                                         "::1%lo",
                                         ":::",
                                         "1::2::3",
                                         "2001:db8",
                                         "2001:db8::g",
                                         "2001:db8::12345",
                                         "1:2:3:4:5:6:7:8:9",
                                         "1:2:3:4:5:6:7:8::",
                                         "[::1]",
                                         "::1.2.3",
                                         "10.0.0.1\n"};

TEST(IpAddress, ParsesAndPrints) {
    constexpr Spelling kGood[] = {
        {"0.0.0.0", nullptr},
        {"10.0.0.106", nullptr},
        {"255.255.255.255", nullptr},
        {"::", nullptr},
        {"::1", nullptr},
        {"2001:db8::106", nullptr},
        {"2001:DB8::ABCD", "2001:db8::abcd"},                        // RFC 5952 §4.3
        {"2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1"},  // §4.1, §4.2.1
        {"2001:db8:0:1:1:1:1:1", nullptr},                           // §4.2.2: not one field alone
        {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},                     // §4.2.3: the longest run
        {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},               // §4.2.3: the first of equals
        {"::ffff:192.0.2.1", nullptr},                               // §5
        {"1:2:3:4:5:6:7:8", nullptr},
        {"fe80::1", nullptr},
    };
    for (const Spelling& good : kGood) {
        const auto address = IpAddress::parse(good.text);
        ASSERT_TRUE(address) << good.text;
        EXPECT_EQ(address->to_string(), printed(good));
        EXPECT_EQ(IpAddress::parse(address->to_string()), address);
        EXPECT_EQ(address->is_v6(), std::string_view(good.text).find(':') != std::string::npos);
    }
}

TEST(IpAddress, RefusesTheRest) {
    for (const char* bad : kBadAddresses) {
        EXPECT_FALSE(IpAddress::parse(bad)) << '"' << bad << '"';
    }
    EXPECT_FALSE(IpAddress::parse(std::string_view("10.0.0.1\0x", 10)));
    EXPECT_TRUE(IpAddress::parse(std::string_view("10.0.0.1:80", 8)));  // not terminated
}

TEST(IpAddress, KnowsItsBytes) {
    const auto four = *IpAddress::parse("1.2.3.4");
    EXPECT_EQ(four, IpAddress::v4(1, 2, 3, 4));
    EXPECT_EQ(four.v4_word(), htonl(0x01020304));
    EXPECT_EQ(four, IpAddress::v4(htonl(0x01020304)));
    EXPECT_EQ(four.bits(), 32U);
    EXPECT_EQ(four.size(), 4U);
    uint8_t bytes[16];
    ASSERT_EQ(inet_pton(AF_INET6, "2001:db8::9", bytes), 1);
    EXPECT_EQ(IpAddress::v6(bytes), *IpAddress::parse("2001:db8::9"));
    EXPECT_EQ(IpAddress::v6(bytes).bits(), 128U);
    EXPECT_EQ(IpAddress(), *IpAddress::parse("0.0.0.0"));
    // The families are never equal, not even where all bytes are.
    EXPECT_NE(*IpAddress::parse("::"), *IpAddress::parse("0.0.0.0"));
}

TEST(IpAddress, OrdersByFamilyThenBytes) {
    std::vector<IpAddress> sorted;
    for (const char* text : {"1.2.3.4", "1.2.3.5", "9.0.0.0", "10.0.0.0", "200.0.0.1", "::", "::1",
                             "2001:db8::1", "2001:db8::100", "ff02::1"}) {
        sorted.push_back(*IpAddress::parse(text));
    }
    EXPECT_TRUE(std::is_sorted(sorted.begin(), sorted.end()));
    EXPECT_EQ(std::adjacent_find(sorted.begin(), sorted.end()), sorted.end());
}

TEST(IpAddress, KnowsItsKind) {
    struct Kind {
        const char* text;
        bool unspecified, multicast, link_local;
    };
    constexpr Kind kKinds[] = {
        {"0.0.0.0", true, false, false},
        {"0.0.0.1", false, false, false},
        {"223.255.255.255", false, false, false},
        {"224.0.0.0", false, true, false},
        {"239.255.255.255", false, true, false},
        {"240.0.0.0", false, false, false},
        {"169.254.0.1", false, false, true},
        {"169.253.0.1", false, false, false},
        {"170.254.0.1", false, false, false},
        {"::", true, false, false},
        {"::1", false, false, false},
        {"ff02::1", false, true, false},
        {"feff::", false, false, false},
        {"fe80::1", false, false, true},
        {"febf::1", false, false, true},
        {"fec0::1", false, false, false},
    };
    for (const Kind& kind : kKinds) {
        const auto address = *IpAddress::parse(kind.text);
        EXPECT_EQ(address.is_unspecified(), kind.unspecified) << kind.text;
        EXPECT_EQ(address.is_multicast(), kind.multicast) << kind.text;
        EXPECT_EQ(address.is_link_local(), kind.link_local) << kind.text;
    }
}

TEST(Prefix, ParsesAndPrints) {
    constexpr Spelling kGood[] = {
        {"10.0.0.0/8", nullptr},      {"0.0.0.0/0", nullptr},   {"10.1.1.128/25", nullptr},
        {"10.1.1.1/32", "10.1.1.1"},  {"10.1.1.1", nullptr},    {"::/0", nullptr},
        {"2001:db8::/32", nullptr},   {"2001:db8::1", nullptr}, {"2001:db8::1/128", "2001:db8::1"},
        {"2001:db8::2/127", nullptr}, {"fe80::/10", nullptr},
    };
    for (const Spelling& good : kGood) {
        const auto prefix = Prefix::parse(good.text);
        ASSERT_TRUE(prefix) << good.text;
        EXPECT_EQ(prefix->to_string(), printed(good));
        EXPECT_EQ(Prefix::parse(prefix->to_string()), prefix);
    }
}

TEST(Prefix, RefusesTheRest) {
    for (const char* bad :
         {"10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "10.0.0.0/8/8", "/8", "10.0.0.0/8 ",
          "10.0.0.0/ 8", "10.0.0.0/+8", "10.0.0.0/a", "10/8", "10.0.0.1/8", "10.1.1.129/25",
          "2001:db8::/129", "2001:db8::1/64", "0.0.0.1/0", "10.0.0.0/4294967304", "10.0.0.0/0x8"}) {
        EXPECT_FALSE(Prefix::parse(bad)) << bad;
    }
    for (const char* bad : kBadAddresses) {
        EXPECT_FALSE(Prefix::parse(bad)) << '"' << bad << '"';
    }
}

// Each length of each family: bits before it count, bits after it do not.
TEST(Prefix, ContainsByItsBitsAlone) {
    for (const char* text : {"170.85.204.51", "aaaa:5555:cccc:3333:f0f0:0f0f:9999:6666"}) {
        const auto address = *IpAddress::parse(text);
        for (unsigned length = 0; length <= address.bits(); ++length) {
            const Prefix prefix(address, length);
            EXPECT_TRUE(prefix.contains(address));
            EXPECT_EQ(prefix.is_host(), length == address.bits());
            for (unsigned bit = 0; bit < address.bits(); ++bit) {
                auto bytes = address.bytes();
                bytes[bit / 8] ^= static_cast<uint8_t>(0x80 >> bit % 8);
                const auto other = address.is_v4()
                                       ? IpAddress::v4(bytes[0], bytes[1], bytes[2], bytes[3])
                                       : IpAddress::v6(bytes);
                ASSERT_EQ(prefix.contains(other), bit >= length) << length << ' ' << bit;
            }
        }
        EXPECT_FALSE(
            Prefix(address, 0).contains(*IpAddress::parse(address.is_v4() ? "::" : "0.0.0.0")));
    }
}

// mask_address() is the packet path's own way to do the same.
TEST(Prefix, MasksLikeMaskAddress) {
    const auto four = *IpAddress::parse("170.85.204.51");
    for (unsigned length = 0; length <= 32; ++length) {
        EXPECT_EQ(to_ip_address(mask_address(four.v4_word(), length)),
                  Prefix(four, length).address());
    }
    const auto six = *IpAddress::parse("aaaa:5555:cccc:3333:f0f0:f0f:9999:6667");
    for (unsigned length = 0; length <= 128; ++length) {
        EXPECT_EQ(to_ip_address(mask_address(raw_address<V6>(six), length)),
                  Prefix(six, length).address());
    }
}

TEST(Prefix, Overlaps) {
    const auto overlap = [](const char* a, const char* b) {
        const bool one_way = Prefix::parse(a)->overlaps(*Prefix::parse(b));
        EXPECT_EQ(one_way, Prefix::parse(b)->overlaps(*Prefix::parse(a))) << a << ' ' << b;
        return one_way;
    };
    EXPECT_TRUE(overlap("10.0.0.0/8", "10.1.0.0/16"));
    EXPECT_TRUE(overlap("10.0.0.0/8", "10.0.0.0/8"));
    EXPECT_TRUE(overlap("0.0.0.0/0", "10.1.1.1"));
    EXPECT_FALSE(overlap("10.0.0.0/16", "10.1.0.0/16"));
    EXPECT_FALSE(overlap("0.0.0.0/0", "::/0"));
    EXPECT_TRUE(overlap("2001:db8::/32", "2001:db8:1::1"));
    EXPECT_FALSE(overlap("2001:db8::/32", "2001:db9::/32"));
}

TEST(InterfaceAddress, KeepsHostBits) {
    const auto address = InterfaceAddress::parse("10.0.0.106/24");
    ASSERT_TRUE(address);
    EXPECT_EQ(address->address.to_string(), "10.0.0.106");
    EXPECT_EQ(address->subnet().to_string(), "10.0.0.0/24");
    EXPECT_EQ(address->to_string(), "10.0.0.106/24");
    EXPECT_EQ(InterfaceAddress::parse("2001:db8::106/64")->to_string(), "2001:db8::106/64");
    EXPECT_EQ(InterfaceAddress::parse("10.0.0.106")->to_string(), "10.0.0.106/32");
    for (const char* bad : {"10.0.0.106/33", "10.0.0.106/", "2001:db8::1/129", "/24", ""}) {
        EXPECT_FALSE(InterfaceAddress::parse(bad)) << bad;
    }
}

TEST(Endpoint, ParsesAndPrints) {
    for (const char* good : {"10.0.0.1:80", "0.0.0.0:0", "255.255.255.255:65535",
                             "[2001:db8::1]:80", "[::]:65535", "[::ffff:10.0.0.1]:1"}) {
        const auto endpoint = Endpoint::parse(good);
        ASSERT_TRUE(endpoint) << good;
        EXPECT_EQ(endpoint->to_string(), good);
    }
    EXPECT_EQ(Endpoint::parse("10.0.0.1:80")->port, 80);  // host byte order
    for (const char* bad : {"",
                            ":",
                            ":80",
                            "10.0.0.1",
                            "10.0.0.1:",
                            "10.0.0.1:65536",
                            "10.0.0.1:-1",
                            "10.0.0.1:80 ",
                            "10.0.0.1:8o",
                            "10.0.0.1:80:80",
                            "[10.0.0.1]:80",
                            "2001:db8::1:80",
                            "[2001:db8::1]",
                            "[2001:db8::1]:",
                            "2001:db8::1]:80",
                            "[2001:db8::1:80",
                            "[]:80",
                            "[2001:db8::1]80",
                            "localhost:80",
                            "10.0.0.1:4294967376"}) {
        EXPECT_FALSE(Endpoint::parse(bad)) << bad;
    }
}

TEST(MacAddress, ParsesAndPrints) {
    const auto mac = MacAddress::parse("02:00:00:aB:Cd:01");
    ASSERT_TRUE(mac);
    EXPECT_EQ(mac->to_string(), "02:00:00:ab:cd:01");
    EXPECT_FALSE(mac->is_zero());
    EXPECT_FALSE(mac->is_multicast());
    EXPECT_TRUE(MacAddress::parse("00:00:00:00:00:00")->is_zero());
    EXPECT_TRUE(MacAddress::parse("01:00:5e:00:00:01")->is_multicast());
    EXPECT_TRUE(MacAddress::parse("ff:ff:ff:ff:ff:ff")->is_multicast());
    for (const char* bad :
         {"", "02:00:00:00:00", "02:00:00:00:00:001", "02:00:00:00:00:0", "02-00-00-00-00-01",
          "02:00:00:00:00:0g", "2:0:0:0:0:1", "02:00:00:00:00: 1", "+2:00:00:00:00:01",
          "02:00:00:00:00:01 ", "0x:00:00:00:00:01", "020000000001"}) {
        EXPECT_FALSE(MacAddress::parse(bad)) << bad;
    }
}

TEST(Hash, TellsValuesApart) {
    std::unordered_set<size_t> seen;
    std::hash<IpAddress> of_address;
    std::hash<Endpoint> of_endpoint;
    seen.insert(of_address(*IpAddress::parse("0.0.0.0")));
    seen.insert(of_address(*IpAddress::parse("::")));
    seen.insert(of_address(*IpAddress::parse("::1")));
    seen.insert(of_endpoint(*Endpoint::parse("10.0.0.1:80")));
    seen.insert(of_endpoint(*Endpoint::parse("10.0.0.1:81")));
    seen.insert(of_endpoint(*Endpoint::parse("10.0.0.2:80")));
    EXPECT_EQ(seen.size(), 6U);
    EXPECT_EQ(of_endpoint({IpAddress::v4(1, 2, 3, 4), 5}),
              of_endpoint(*Endpoint::parse("1.2.3.4:5")));
}

TEST(BigEndian, LiesInMemoryAsOnTheWire) {
    static_assert(sizeof(Be16) == 2 && sizeof(Be32) == 4);
    const Be16 port(0x1f90);
    EXPECT_EQ(std::memcmp(&port, "\x1f\x90", 2), 0);
    const Be32 word(0x01020304);
    EXPECT_EQ(std::memcmp(&word, "\x01\x02\x03\x04", 4), 0);
    EXPECT_EQ(word.host(), 0x01020304U);
    EXPECT_EQ(word.raw(), htonl(0x01020304));
    EXPECT_EQ(Be32::from_raw(htonl(7)).host(), 7U);
    const BigEndian<uint64_t> eight(0x0102030405060708);
    EXPECT_EQ(std::memcmp(&eight, "\x01\x02\x03\x04\x05\x06\x07\x08", 8), 0);
}

}  // namespace
}  // namespace dlb
