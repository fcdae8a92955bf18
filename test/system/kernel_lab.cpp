#include "kernel_lab.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>

#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace dlb::lab {

namespace {

using Json = nlohmann::json;

struct Pipe {
    Pipe() {
        if (pipe(ends) != 0) {
            std::abort();
        }
    }
    int ends[2];
};

bool has_flag(const Json& hop, const std::string& flag) {
    const Json flags = hop.value("flags", Json::array());
    return std::find(flags.begin(), flags.end(), flag) != flags.end();
}

std::optional<IpAddress> gateway_of(const Json& hop) {
    if (hop.contains("gateway")) {
        return ip(hop["gateway"]);
    }
    if (hop.contains("via")) {
        return ip(hop["via"]["host"]);
    }
    return std::nullopt;
}

std::vector<KernelRoute> hops_of(const Json& route, const Prefix& destination,
                                 const std::vector<std::string>& devices) {
    const Json hops = route.contains("nexthops") ? route["nexthops"] : Json::array({route});
    std::vector<KernelRoute> out;
    for (const Json& hop : hops) {
        const std::string device = hop.value("dev", "");
        if (std::find(devices.begin(), devices.end(), device) == devices.end() ||
            has_flag(hop, "dead")) {
            continue;
        }
        out.push_back({destination, gateway_of(hop), index_of(device), route.value("metric", 0U),
                       static_cast<uint16_t>(hop.value("weight", 1))});
    }
    return out;
}

std::string in_child(const std::function<std::string()>& body) {
    Pipe answer;
    const pid_t pid = fork();
    if (pid == 0) {
        const std::string text = body();
        const bool whole =
            write(answer.ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size());
        _exit(whole ? 0 : 1);
    }
    close(answer.ends[1]);
    std::string text;
    char buffer[512];
    ssize_t size = 0;
    while ((size = read(answer.ends[0], buffer, sizeof buffer)) > 0) {
        text.append(buffer, static_cast<size_t>(size));
    }
    close(answer.ends[0]);
    waitpid(pid, nullptr, 0);
    return text;
}

}  // namespace

void run(const std::string& command) {
    EXPECT_EQ(std::system(command.c_str()), 0) << command;
}

std::string output_of(const std::string& command) {
    std::string text;
    FILE* pipe = popen(command.c_str(), "r");
    char buffer[4096];
    size_t size = 0;
    while ((size = fread(buffer, 1, sizeof buffer, pipe)) > 0) {
        text.append(buffer, size);
    }
    EXPECT_EQ(pclose(pipe), 0) << command;
    return text;
}

nlohmann::json ip_json(const std::string& arguments) {
    const std::string text = output_of("ip -j " + arguments);
    const Json parsed = Json::parse(text, nullptr, false);
    return parsed.is_discarded() ? Json::array() : parsed;  // iproute2 prints nothing for nothing
}

nlohmann::json addresses_by_ip(const std::string& device) {
    return ip_json("addr show dev " + device).at(0).at("addr_info");
}

void ip_batch(const std::vector<std::string>& lines) {
    FILE* pipe = popen("ip -force -batch - >/dev/null 2>&1", "w");
    for (const std::string& line : lines) {
        fputs((line + "\n").c_str(), pipe);
    }
    pclose(pipe);
}

std::string read_line(const std::string& path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

void KernelTest::SetUp() {
    ASSERT_EQ(unshare(CLONE_NEWNET), 0) << "no network namespace can be made";
    run("ip link set lo up");
}

Child Child::with(const std::function<bool()>& body) {
    Pipe ready;
    const pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        const char good = body() ? 'y' : 'n';
        if (write(ready.ends[1], &good, 1) != 1) {
            _exit(1);
        }
        while (true) {
            pause();
        }
    }
    close(ready.ends[1]);
    char answer = 0;
    EXPECT_EQ(read(ready.ends[0], &answer, 1), 1);
    EXPECT_EQ(answer, 'y');
    close(ready.ends[0]);
    return Child(pid);
}

Child Child::namespace_of_its_own() {
    Child child = with([] { return unshare(CLONE_NEWNET) == 0; });
    child.run("ip link set lo up");
    return child;
}

Child::Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}

void Child::kill_now() {
    if (pid_ > 0) {
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
        pid_ = -1;
    }
}

void Child::run(const std::string& command) const {
    lab::run("nsenter -n -t " + pid() + " " + command);
}

std::string Child::output_of(const std::string& command) const {
    return lab::output_of("nsenter -n -t " + pid() + " " + command);
}

std::string as_nobody(const std::function<std::string()>& body) {
    return in_child([&] {
        constexpr uid_t kNobody = 65534;
        return setresuid(kNobody, kNobody, kNobody) == 0 ? body() : "cannot become nobody";
    });
}

std::string with_own_mounts(const std::function<std::string()>& body) {
    return in_child([&]() -> std::string {
        if (unshare(CLONE_NEWNS) != 0 ||
            mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
            return "no mount namespace can be made";
        }
        return body();
    });
}

void make_link_to(const Child& peer, const std::string& name) {
    run("ip link add " + name + " type veth peer name " + name + "p");
    run("ip link set " + name + "p netns " + peer.pid());
    run("ip link set " + name + " up");
    peer.run("ip link set " + name + "p up");
}

bool eventually(int fd, const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) {
            return false;
        }
        pollfd readable{fd, POLLIN, 0};
        poll(&readable, 1, 20);
    }
    return true;
}

bool eventually(KernelMonitor& monitor, const std::function<bool()>& condition) {
    return eventually(monitor.fd(), [&] {
        monitor.process();
        return condition();
    });
}

void catch_up(KernelMonitor& monitor) {
    EXPECT_TRUE(eventually(monitor, [&] {
        pollfd readable{monitor.fd(), POLLIN, 0};
        return poll(&readable, 1, 0) == 0 && !monitor.synchronizing();
    }));
}

std::vector<KernelRoute> routes_by_ip(const std::vector<std::string>& devices) {
    std::vector<KernelRoute> out;
    for (const std::string family : {"-4", "-6"}) {
        std::map<std::pair<Prefix, uint32_t>, bool> seen;
        for (const Json& route : ip_json(family + " route show table main")) {
            if (route.contains("type") || route.contains("tos") || route.contains("from")) {
                continue;
            }
            const std::string text = route["dst"];
            const std::string all = family == "-4" ? "0.0.0.0/0" : "::/0";
            const Prefix destination = prefix(text == "default" ? all : text);
            const auto hops = hops_of(route, destination, devices);
            // IPv4 uses the first of several of one prefix and metric.
            bool& used = seen[{destination, route.value("metric", 0U)}];
            if (family == "-6" || !used) {
                out.insert(out.end(), hops.begin(), hops.end());
            }
            used |= !hops.empty();
        }
    }
    out = sorted(out);
    // `replace` can leave two alike in IPv6.
    out.erase(std::unique(out.begin(), out.end(),
                          [](const auto& a, const auto& b) {
                              return a.prefix.family() == Family::V6 && a == b;
                          }),
              out.end());
    return out;
}

std::vector<KernelRoute> sorted(std::vector<KernelRoute> routes) {
    std::sort(routes.begin(), routes.end());
    return routes;
}

int index_of(const std::string& name) {
    return static_cast<int>(if_nametoindex(name.c_str()));
}

IpAddress ip(const std::string& text) {
    return IpAddress::parse(text).value();
}

MacAddress mac(const std::string& text) {
    return MacAddress::parse(text).value();
}

Prefix prefix(const std::string& text) {
    return Prefix::parse(text).value();
}

InterfaceAddress interface_address(const std::string& text) {
    return InterfaceAddress::parse(text).value();
}

}  // namespace dlb::lab

namespace dlb {

void PrintTo(const KernelRoute& route, std::ostream* out) {
    *out << route.prefix.to_string() << (route.gateway ? " via " + route.gateway->to_string() : "")
         << " dev " << route.ifindex << " metric " << route.metric << " weight " << route.weight;
}

void PrintTo(const KernelNeighbor& neighbor, std::ostream* out) {
    *out << neighbor.address.to_string() << " dev " << neighbor.ifindex << " lladdr "
         << neighbor.mac.to_string() << " " << to_string(neighbor.state);
}

}  // namespace dlb
