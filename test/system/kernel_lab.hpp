// What the tests of lib/kernel share: a network namespace a test, iproute2 as the oracle, peers.
#pragma once

#include <chrono>
#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/types.h>

#include "kernel/monitor.hpp"

namespace dlb::lab {

// Runs a shell command here and fails the test unless it succeeds.
void run(const std::string& command);
std::string output_of(const std::string& command);
// `ip -j ARGUMENTS`
nlohmann::json ip_json(const std::string& arguments);
// `ip -j addr show dev DEVICE`, the addresses alone
nlohmann::json addresses_by_ip(const std::string& device);
// Many `ip` commands at once; those that fail are passed over.
void ip_batch(const std::vector<std::string>& lines);
std::string read_line(const std::string& path);

// Each test in a network namespace of its own, which goes with it.
class KernelTest : public testing::Test {
  protected:
    void SetUp() override;
};

// A process that stands for a namespace, or that runs `body` in ours and stays until it is killed.
class Child {
  public:
    // Returns once `body` has returned true in the child; fails the test if it returns false.
    static Child with(const std::function<bool()>& body);
    static Child namespace_of_its_own();
    Child(Child&& other) noexcept;
    ~Child() { kill_now(); }

    void kill_now();  // kill -9, and wait for its end
    // Runs a command in the child's network namespace.
    void run(const std::string& command) const;
    std::string output_of(const std::string& command) const;
    std::string pid() const { return std::to_string(pid_); }

  private:
    explicit Child(pid_t pid) : pid_(pid) {}
    pid_t pid_ = -1;
};

// The result of `body`, run in a process as user nobody.
std::string as_nobody(const std::function<std::string()>& body);
// The same as root in a mount namespace of its own.
std::string with_own_mounts(const std::function<std::string()>& body);

// A veth pair, its end `name` here and `name`p in the peer's namespace; both up.
void make_link_to(const Child& peer, const std::string& name);

// Until `condition` holds, whenever `fd` is readable or a moment passed; at most 10 seconds.
bool eventually(int fd, const std::function<bool()>& condition);
// The same, with the monitor reading in between.
bool eventually(KernelMonitor& monitor, const std::function<bool()>& condition);
// Reads until nothing is pending.
void catch_up(KernelMonitor& monitor);

// What `ip route` says of table main, as KernelMonitor::routes() should give it for `devices`.
std::vector<KernelRoute> routes_by_ip(const std::vector<std::string>& devices);
std::vector<KernelRoute> sorted(std::vector<KernelRoute> routes);

int index_of(const std::string& name);
IpAddress ip(const std::string& text);
MacAddress mac(const std::string& text);
Prefix prefix(const std::string& text);
InterfaceAddress interface_address(const std::string& text);

}  // namespace dlb::lab

namespace dlb {

// For readable failures.
void PrintTo(const KernelRoute& route, std::ostream* out);
void PrintTo(const KernelNeighbor& neighbor, std::ostream* out);

}  // namespace dlb
