// Tap: a port's twin in the kernel, a TAP interface whose other end is this object.
//
// Frames are whole Ethernet frames without FCS and with full checksums: TX checksum offload and TSO
// are off. The interface is not persistent: it goes with this object, and with the process after
// kill -9. Errors: create() says what to mend. Thread safety: read() and write() may each have a
// thread of their own; the rest belongs to one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "kernel/unique_fd.hpp"
#include "net/ip_address.hpp"
#include "net/result.hpp"

namespace dlb {

class Tap {
  public:
    // Creates the interface and brings it up. Its IPv6 link-local address, which neighbour
    // discovery needs, is made from `mac`; no IPv6 address there waits for duplicate address
    // detection; router advertisements do not count; rp_filter is off or loose. Refuses a name that
    // is in use. Needs CAP_NET_ADMIN.
    static Result<Tap> create(const std::string& name, const MacAddress& mac, uint16_t mtu);

    int fd() const { return fd_.get(); }
    const std::string& name() const { return name_; }
    int ifindex() const { return ifindex_; }
    // What could not be set and may do without, a line each: in a container with /proc/sys
    // read-only.
    const std::vector<std::string>& warnings() const { return warnings_; }

    // What the kernel sends: the length of one frame, 0 when there is none.
    // REQUIRES: room for MTU + 18 bytes (Ethernet and a VLAN tag); a longer frame is cut.
    size_t read(std::span<uint8_t> buffer);
    // Gives the kernel a frame as received. False: refused (interface down, no memory).
    bool write(std::span<const uint8_t> frame);
    // True once read() found that somebody deleted the interface: fd() is then readable for ever
    // and gives nothing.
    bool deleted() const { return deleted_; }

  private:
    Tap(UniqueFd fd, std::string name, int ifindex);
    void set_sysctls();
    void set_sysctl(const char* family, const char* key, const char* value,
                    const char* consequence);
    Result<void> configure(const MacAddress& mac, uint16_t mtu);

    UniqueFd fd_;
    std::string name_;
    int ifindex_ = 0;
    bool deleted_ = false;
    std::vector<std::string> warnings_;
};

}  // namespace dlb
