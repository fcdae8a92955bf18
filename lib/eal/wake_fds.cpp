#include "eal/wake_fds.hpp"

#include <algorithm>
#include <filesystem>
#include <string>

#include <sys/socket.h>

namespace dlb {

namespace {

bool is_packet_socket(int fd) {
    int domain = 0;
    socklen_t size = sizeof domain;
    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
           (domain == AF_PACKET || domain == AF_XDP);
}

}  // namespace

std::vector<int> open_descriptors() {
    std::vector<int> descriptors;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", error)) {
        descriptors.push_back(std::stoi(entry.path().filename().string()));
    }
    std::sort(descriptors.begin(), descriptors.end());
    return descriptors;
}

std::vector<int> find_wake_fds(const std::vector<int>& before, unsigned queues) {
    std::vector<int> found;
    for (const int fd : open_descriptors()) {
        if (!std::binary_search(before.begin(), before.end(), fd) && is_packet_socket(fd)) {
            found.push_back(fd);
        }
    }
    return found.size() == queues ? found : std::vector<int>{};
}

}  // namespace dlb
