// How the backends of a service are checked: what the check's type needs, and what it cannot do.
#include <algorithm>

#include <fmt/format.h>

#include "config/text.hpp"
#include "config/validate.hpp"
#include "lb/checked_vip.hpp"

namespace dlb::conf {

namespace {

bool is_http(HealthType type) {
    return type == HealthType::Http || type == HealthType::Https;
}

bool needs_port(HealthType type) {
    return is_http(type) || type == HealthType::Tcp || type == HealthType::Udp;
}

// What may stand in a request's line and header as it is: no space, no line's end.
bool is_visible_ascii(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

class HealthCheck {
  public:
    HealthCheck(const ServiceConfig& service, const std::vector<PortConfig>& ports,
                const Path& path, Findings& findings)
        : service_(service),
          ports_(ports),
          health_(service.health),
          path_(path),
          health_path_(path.key("health")),
          findings_(findings) {}

    void run() {
        command();
        if (is_http(health_.type)) {
            http();
        }
        if (needs_port(health_.type) && health_.port == 0) {
            port();
        }
        if (health_.inside_tunnel && can_go_inside()) {
            std::for_each(service_.backends.begin(), service_.backends.end(),
                          [this](const BackendConfig& backend) { inside_tunnel(backend); });
        }
    }

  private:
    void add(std::string_view key, std::string problem, std::string mend) {
        findings_.add(health_path_.key(key), std::move(problem), std::move(mend),
                      {health_path_.key("type")});
    }

    void command() {
        if (health_.type != HealthType::Exec) {
            if (!health_.command.empty()) {
                add("command",
                    fmt::format("command is given, and the check's type is {}",
                                to_string(health_.type)),
                    "set type = \"exec\", or remove command");
            }
            return;
        }
        if (health_.command.empty()) {
            add("command", "a check of type exec has no command",
                "give what /bin/sh is to run, such as command = \"/usr/local/bin/check\"");
        }
    }

    void http() {
        if (health_.path.empty() || health_.path.front() != '/' ||
            !is_visible_ascii(health_.path)) {
            add("path", fmt::format("path is {}", in_quotes(health_.path)),
                "give a path that starts with '/', with %20 for a space and the like");
        }
        if (!is_visible_ascii(health_.host) || health_.host.find('/') != std::string::npos) {
            add("host", fmt::format("host is {}", in_quotes(health_.host)),
                "give a host's name alone, such as \"www.example.com\"");
        }
        if (health_.expect.empty()) {
            add("expect", "expect names no status", "give at least one, such as [200]");
        }
    }

    void port() {
        const auto at = std::find_if(service_.backends.begin(), service_.backends.end(),
                                     [](const BackendConfig& b) { return b.port == 0; });
        if (at == service_.backends.end() || service_.ports.size() == 1) {
            return;
        }
        const auto index = static_cast<size_t>(at - service_.backends.begin());
        findings_.add(
            health_path_.key("port"),
            fmt::format("which port of backend {} to check is open: it has none, and the "
                        "service has {}",
                        at->address.to_string(), service_.ports.empty() ? "every port" : "several"),
            "give health.port, or check by icmp",
            {health_path_.key("type"), path_.key("ports"),
             path_.item("backend", index).key("port")});
    }

    bool can_go_inside() {
        const Path where = health_path_.key("inside_tunnel");
        const std::string remove =
            "remove inside_tunnel: the check then asks the backend's own "
            "address";
        if (service_.mode == Mode::Nat || service_.mode == Mode::Fnat) {
            findings_.add(
                where,
                fmt::format("inside_tunnel is set, and mode {} has no VIP on its backends",
                            to_string(service_.mode)),
                remove, {path_.key("mode")});
            return false;
        }
        if (health_.type == HealthType::Exec) {
            add("inside_tunnel", "inside_tunnel is set, and no tunnel can be led to a program",
                "remove inside_tunnel, or set type to tcp, http, https, udp or icmp");
            return false;
        }
        return true;
    }

    // The first that has no VIP to ask for, or no address to ask from, speaks for the rest.
    void inside_tunnel(const BackendConfig& backend) {
        if (told_ || service_.vip.empty()) {
            return;
        }
        const IpAddress vip = checked_vip(service_, backend);
        bool source = false;
        for (const PortConfig& port : ports_) {
            for (const InterfaceAddress& own : port.address) {
                source = source || (!port.tap.empty() && own.address.family() == vip.family());
                if (own.address == vip) {
                    tell(fmt::format("inside_tunnel is set, and vip {} is the address of port {}",
                                     vip.to_string(), named(port.name)),
                         "remove inside_tunnel, or put another vip first");
                }
            }
        }
        if (!source) {
            tell(fmt::format("inside_tunnel is set, and no port with a tap has an {} address to "
                             "ask vip {} from",
                             family_name(vip.family()), vip.to_string()),
                 fmt::format("give a port an {} address and a tap, or remove inside_tunnel",
                             family_name(vip.family())));
        }
    }

    void tell(std::string problem, std::string mend) {
        if (!told_) {
            told_ = true;
            findings_.add(health_path_.key("inside_tunnel"), std::move(problem), std::move(mend),
                          {path_.key("vip"), Path().key("port").key("address"),
                           Path().key("port").key("tap")});
        }
    }

    const ServiceConfig& service_;
    const std::vector<PortConfig>& ports_;
    const HealthConfig& health_;
    const Path& path_;
    const Path health_path_;
    Findings& findings_;
    bool told_ = false;
};

}  // namespace

void check_health(const ServiceConfig& service, const std::vector<PortConfig>& ports,
                  const Path& path, Findings& findings) {
    if (service.health.type != HealthType::None) {
        HealthCheck(service, ports, path, findings).run();
    }
}

}  // namespace dlb::conf
