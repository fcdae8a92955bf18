#include "control/machine_tree.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>

#include "config/notation.hpp"

namespace dlb {

namespace {

namespace fs = std::filesystem;

std::string trimmed(const std::string& text) {
    const size_t first = text.find_first_not_of(" \t");
    const size_t last = text.find_last_not_of(" \t\n");
    return first == std::string::npos ? "" : text.substr(first, last + 1 - first);
}

}  // namespace

bool MachineTree::exists(const std::string& path) const {
    std::error_code error;
    return fs::exists(root_ + "/" + path, error);
}

std::string MachineTree::read(const std::string& path) const {
    std::ifstream file(root_ + "/" + path);
    std::string line;
    std::getline(file, line);
    return trimmed(line);
}

std::string MachineTree::link_name(const std::string& path) const {
    std::error_code error;
    return fs::read_symlink(root_ + "/" + path, error).filename();
}

std::vector<std::string> MachineTree::list(const std::string& directory) const {
    std::vector<std::string> names;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(root_ + "/" + directory, error)) {
        names.push_back(entry.path().filename());
    }
    std::sort(names.begin(), names.end());
    return names;
}

std::optional<int64_t> MachineTree::number(const std::string& path) const {
    const std::string text = read(path);
    int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc{} && end != text.data() ? std::optional(value) : std::nullopt;
}

std::vector<unsigned> MachineTree::cpus(const std::string& path) const {
    return conf::parse_cores(read(path)).value_or(std::vector<unsigned>());
}

std::string MachineTree::field(const std::string& path, const std::string& key) const {
    std::ifstream file(root_ + "/" + path);
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with(key + ":")) {
            return trimmed(line.substr(key.size() + 1));
        }
    }
    return {};
}

std::vector<unsigned> MachineTree::cpus_allowed() const {
    const std::string list = field("proc/self/status", "Cpus_allowed_list");
    return conf::parse_cores(list).value_or(std::vector<unsigned>());
}

int MachineTree::node_of_cpu(unsigned cpu) const {
    for (const std::string& name : list("sys/devices/system/cpu/cpu" + std::to_string(cpu))) {
        int node = 0;
        const char* end = name.data() + name.size();
        if (name.starts_with("node") && std::from_chars(name.data() + 4, end, node).ptr == end) {
            return node;
        }
    }
    return -1;
}

int MachineTree::node_of_device(const std::string& directory) const {
    return static_cast<int>(number(directory + "/numa_node").value_or(-1));
}

std::vector<unsigned> MachineTree::cpus_of_node(int node) const {
    return cpus("sys/devices/system/node/node" + std::to_string(node) + "/cpulist");
}

}  // namespace dlb
