#include <filesystem>

#include <sys/stat.h>
#include <unistd.h>

#include "control/preflight_checks.hpp"

namespace dlb {

namespace {

namespace fs = std::filesystem;

bool is_writable_directory(const fs::path& directory) {
    std::error_code error;
    return fs::is_directory(directory, error) && access(directory.c_str(), W_OK) == 0;
}

// Where a file of this path would be made.
fs::path directory_of(const std::string& path) {
    const fs::path parent = fs::path(path).parent_path();
    return parent.empty() ? "." : parent;
}

// The nearest directory above that is there: what is missing below it will be made.
fs::path existing_above(const std::string& path) {
    std::error_code error;
    fs::path directory = directory_of(path);
    while (!fs::exists(directory, error) && directory.has_relative_path()) {
        directory = directory.has_parent_path() ? directory.parent_path() : fs::path(".");
    }
    return directory;
}

void check_output(const std::string& who, const std::string& path, MachineFindings& findings) {
    const fs::path directory = directory_of(path);
    if (!is_writable_directory(directory)) {
        findings.fatal(who + path + " cannot be made: " + directory.string() +
                           " is no directory that this process may write to",
                       "make it, or choose another path");
    }
}

}  // namespace

void check_socket(const LbConfig& lb, MachineFindings& findings) {
    struct stat status {};
    if (::lstat(lb.socket.c_str(), &status) == 0) {
        if (!S_ISSOCK(status.st_mode)) {
            findings.fatal("lb.socket: " + lb.socket + " is there and is no socket",
                           "choose another socket, or move that away");
        }
        return;
    }
    const fs::path above = existing_above(lb.socket);
    if (!is_writable_directory(above)) {
        findings.fatal("lb.socket: " + lb.socket + " cannot be made: " + above.string() +
                           " is no directory that this process may write to",
                       "choose another socket, or run dpdk-lb as root");
    }
}

void check_files(const PortConfig& port, const DeviceString& device, MachineFindings& findings) {
    const std::string who = "port '" + port.name + "': ";
    if (device.driver == "net_pcap") {
        for (const std::string& path : device_arguments(device.text, "rx_pcap")) {
            std::error_code error;
            if (access(path.c_str(), R_OK) != 0 || fs::is_directory(path, error)) {
                findings.fatal(who + "rx_pcap: " + path + " is no file that can be read",
                               "give the path of a pcap file");
            }
        }
        for (const std::string& path : device_arguments(device.text, "tx_pcap")) {
            check_output(who + "tx_pcap: ", path, findings);
        }
    } else if (device.driver == "net_memif" &&
               device_argument(device.text, "socket-abstract") == "no") {
        check_output(who + "socket: ",
                     device_argument(device.text, "socket").value_or("/run/memif.sock"), findings);
    }
}

}  // namespace dlb
