// The file by which a dpdk-lb that leaves for an upgrade tells the next one that it is its
// successor. It lies beside the console's socket.
//
// Thread safety: pure but for the file.
#pragma once

#include <chrono>
#include <string>

#include "net/result.hpp"

namespace dlb {

std::string handover_file_of(const std::string& socket);
// Good for `time` from now on. Errors: the file cannot be written.
Result<void> write_handover(const std::string& file, std::chrono::seconds time);
// Whether there is one that is good; removes it either way.
bool take_handover(const std::string& file);

}  // namespace dlb
