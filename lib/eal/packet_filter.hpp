// PacketFilter: an expression of pcap-filter(7) as a program that tells whether it means a frame.
//
// Errors: compile() gives libpcap's reason in one line. It may ask the DNS where the expression
// names a host, and then it waits: not on the control thread. Thread safety: compile() on any
// thread; matches() on several at once.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "net/result.hpp"

struct bpf_program;

namespace dlb {

class PacketFilter {
  public:
    // Of Ethernet frames. "": every frame.
    static Result<PacketFilter> compile(const std::string& expression);

    PacketFilter() = default;  // every frame
    bool everything() const { return program_ == nullptr; }
    // `length`: of the frame; `present`: of `data`. Bytes that are not there match nothing.
    bool matches(const uint8_t* data, uint32_t length, uint32_t present) const;

  private:
    struct Free {
        void operator()(bpf_program* program) const;
    };
    std::unique_ptr<bpf_program, Free> program_;
};

}  // namespace dlb
