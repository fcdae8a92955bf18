#include "control/handover_file.hpp"

#include <cerrno>
#include <ctime>
#include <fstream>
#include <system_error>

#include <unistd.h>

namespace dlb {

std::string handover_file_of(const std::string& socket) {
    return socket + ".handover";
}

Result<void> write_handover(const std::string& file, std::chrono::seconds time) {
    std::ofstream out(file, std::ios::trunc);
    out << std::time(nullptr) + time.count() << '\n';
    out.close();
    if (!out) {
        return Error{"cannot write " + file + ": " + std::generic_category().message(errno)};
    }
    return {};
}

bool take_handover(const std::string& file) {
    std::ifstream in(file);
    std::time_t until = 0;
    const bool good = static_cast<bool>(in >> until) && std::time(nullptr) <= until;
    ::unlink(file.c_str());
    return good;
}

}  // namespace dlb
