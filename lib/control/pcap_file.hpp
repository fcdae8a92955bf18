// PcapFile: a new capture file with times in nanoseconds, as tcpdump(8) and Wireshark read it.
//
// Errors: one line that names the mend. A file that cannot be written to the end stays, with what
// came before. Thread safety: one thread; it writes to the disk there.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "net/result.hpp"

struct pcap;
struct pcap_dumper;

namespace dlb {

class PcapFile {
  public:
    // `path`: absolute, of a file that is not there yet; only its owner may read it.
    static Result<PcapFile> create(const std::string& path);
    PcapFile(PcapFile&&) noexcept = default;
    PcapFile& operator=(PcapFile&&) = delete;
    ~PcapFile();  // what was written is in the file

    // One frame: `unix_ns` since 1970, `captured` bytes of `length`.
    Result<void> write(uint64_t unix_ns, const uint8_t* data, uint32_t captured, uint32_t length);
    // So that others see what was written, and that the disk's refusal is seen here.
    Result<void> flush();
    // Removes it again.
    void remove();

    uint64_t bytes() const { return bytes_; }  // of the file, with what is not flushed yet

  private:
    explicit PcapFile(std::string path) : path_(std::move(path)) {}
    Error failure(int error) const;

    struct Close {
        void operator()(pcap* handle) const;
        void operator()(pcap_dumper* dumper) const;
    };
    std::string path_;
    std::unique_ptr<pcap, Close> handle_;
    std::unique_ptr<pcap_dumper, Close> dumper_;
    uint64_t bytes_ = 0;
};

}  // namespace dlb
