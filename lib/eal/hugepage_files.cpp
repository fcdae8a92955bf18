#include "eal/hugepage_files.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <vector>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace dlb {

namespace {

namespace fs = std::filesystem;

std::vector<std::string> hugetlbfs_mounts() {
    std::ifstream mounts("/proc/mounts");
    std::vector<std::string> found;
    std::string device, directory, type, rest;
    while (mounts >> device >> directory >> type && std::getline(mounts, rest)) {
        if (type == "hugetlbfs") {
            found.push_back(directory);
        }
    }
    return found;
}

uint64_t usual_page_kb() {
    std::ifstream file("/proc/meminfo");
    std::string word;
    uint64_t value = 0;
    while (file >> word) {
        if (word == "Hugepagesize:" && file >> value) {
            return value;
        }
    }
    return 0;
}

// DPDK's name for page N: PREFIXmap_N.
bool is_page_of(const std::string& prefix, const std::string& name) {
    const std::string start = prefix + "map_";
    return name.starts_with(start) && name.size() > start.size() &&
           std::all_of(name.begin() + static_cast<ptrdiff_t>(start.size()), name.end(),
                       [](char c) { return c >= '0' && c <= '9'; });
}

std::vector<fs::path> files_of(const std::string& prefix) {
    std::vector<fs::path> files;
    for (const std::string& mount : hugetlbfs_mounts()) {
        std::error_code error;
        for (fs::directory_iterator it(mount, error), end; !error && it != end;
             it.increment(error)) {
            if (is_page_of(prefix, it->path().filename())) {
                files.push_back(it->path());
            }
        }
    }
    return files;
}

// DPDK keeps a lock on those that are in use.
bool is_held(const fs::path& file) {
    const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return true;
    }
    const bool held = ::flock(fd, LOCK_EX | LOCK_NB) != 0;
    ::close(fd);
    return held;
}

}  // namespace

bool hugepage_files_possible() {
    const std::vector<std::string> mounts = hugetlbfs_mounts();
    const uint64_t usual = usual_page_kb() * 1024;
    return std::any_of(mounts.begin(), mounts.end(), [&](const std::string& mount) {
        struct statfs info {};
        return ::statfs(mount.c_str(), &info) == 0 &&
               static_cast<uint64_t>(info.f_bsize) == usual &&
               ::access(mount.c_str(), W_OK | X_OK) == 0;
    });
}

uint64_t abandoned_hugepages(const std::string& prefix) {
    const std::vector<fs::path> files = files_of(prefix);
    return static_cast<uint64_t>(
        std::count_if(files.begin(), files.end(), [](const fs::path& f) { return !is_held(f); }));
}

void remove_hugepage_files(const std::string& prefix, bool held) {
    for (const fs::path& file : files_of(prefix)) {
        if (held || !is_held(file)) {
            ::unlink(file.c_str());
        }
    }
}

}  // namespace dlb
