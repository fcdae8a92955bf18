#include "eal/packet_filter.hpp"

#include <algorithm>

#include <pcap/pcap.h>

namespace dlb {

namespace {

constexpr int kSnapLength = 262144;  // libpcap's own bound

}  // namespace

void PacketFilter::Free::operator()(bpf_program* program) const {
    pcap_freecode(program);
    delete program;
}

Result<PacketFilter> PacketFilter::compile(const std::string& expression) {
    PacketFilter filter;
    if (expression.empty()) {
        return filter;
    }
    const std::unique_ptr<pcap_t, decltype(&pcap_close)> handle(
        pcap_open_dead(DLT_EN10MB, kSnapLength), pcap_close);
    if (handle == nullptr) {
        return Error{"no memory for a filter"};
    }
    auto program = std::make_unique<bpf_program>();
    if (pcap_compile(handle.get(), program.get(), expression.c_str(), 1, PCAP_NETMASK_UNKNOWN) !=
        0) {
        std::string said = pcap_geterr(handle.get());
        std::replace(said.begin(), said.end(), '\n', ' ');
        return Error{said + "; pcap-filter(7) tells what a filter may be"};
    }
    filter.program_.reset(program.release());
    return filter;
}

bool PacketFilter::matches(const uint8_t* data, uint32_t length, uint32_t present) const {
    return everything() || bpf_filter(program_->bf_insns, data, length, present) != 0;
}

}  // namespace dlb
