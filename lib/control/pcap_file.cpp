#include "control/pcap_file.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include <fcntl.h>
#include <pcap/pcap.h>
#include <unistd.h>

namespace dlb {

namespace {

constexpr int kSnapLength = 262144;
constexpr uint64_t kFileHeader = 24;    // bytes
constexpr uint64_t kRecordHeader = 16;  // bytes

std::string mend_of(int error) {
    switch (error) {
        case EEXIST:
            return "give the name of a file that is not there yet";
        case ENOSPC:
        case EDQUOT:
            return "make room there, or give another file";
        case ENOENT:
        case ENOTDIR:
            return "give a file in a directory that is there";
        default:
            return "give a file in a directory that dpdk-lb may write to";
    }
}

}  // namespace

void PcapFile::Close::operator()(pcap* handle) const {
    pcap_close(handle);
}

void PcapFile::Close::operator()(pcap_dumper* dumper) const {
    pcap_dump_close(dumper);
}

Error PcapFile::failure(int error) const {
    return {path_ + ": " + std::strerror(error) + "; " + mend_of(error)};
}

Result<PcapFile> PcapFile::create(const std::string& path) {
    PcapFile file(path);
    if (path.empty() || path.front() != '/') {
        return Error{"\"" + path + "\" is no absolute path; give one, for example /tmp/lb.pcap"};
    }
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return file.failure(errno);
    }
    FILE* stream = ::fdopen(fd, "w");
    if (stream == nullptr) {
        const Error error = file.failure(errno);
        ::close(fd);
        file.remove();
        return error;
    }
    file.handle_.reset(
        pcap_open_dead_with_tstamp_precision(DLT_EN10MB, kSnapLength, PCAP_TSTAMP_PRECISION_NANO));
    file.dumper_.reset(file.handle_ == nullptr ? nullptr
                                               : pcap_dump_fopen(file.handle_.get(), stream));
    if (file.dumper_ == nullptr) {
        std::fclose(stream);
        file.remove();
        return Error{path + ": libpcap does not write it; give another file"};
    }
    file.bytes_ = kFileHeader;
    if (Result<void> header = file.flush(); !header) {
        file.remove();
        return Error{header.error()};
    }
    return file;
}

PcapFile::~PcapFile() = default;

Result<void> PcapFile::write(uint64_t unix_ns, const uint8_t* data, uint32_t captured,
                             uint32_t length) {
    pcap_pkthdr header{};
    header.ts.tv_sec = static_cast<time_t>(unix_ns / 1'000'000'000);
    header.ts.tv_usec = static_cast<suseconds_t>(unix_ns % 1'000'000'000);  // nanoseconds here
    header.caplen = captured;
    header.len = length;
    // pcap_dump() tells nothing: the stream does.
    errno = 0;
    pcap_dump(reinterpret_cast<u_char*>(dumper_.get()), &header, data);
    if (std::ferror(pcap_dump_file(dumper_.get())) != 0) {
        return failure(errno != 0 ? errno : EIO);
    }
    bytes_ += kRecordHeader + captured;
    return {};
}

Result<void> PcapFile::flush() {
    return pcap_dump_flush(dumper_.get()) == 0 ? Result<void>() : failure(errno != 0 ? errno : EIO);
}

void PcapFile::remove() {
    ::unlink(path_.c_str());
}

}  // namespace dlb
