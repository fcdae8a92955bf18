// What a word in capitals of a command's syntax may be: checked before the handler runs, completed
// by Tab. Thread safety: control thread only (values() asks the ControlApi).
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "control/api.hpp"
#include "net/result.hpp"

namespace dlb {

// The arguments of one command line, checked by their types. Named as in the syntax: "ADDRESS",
// "tcp|udp"; a keyword without an argument has itself as value.
class Arguments {
  public:
    void add(std::string name, std::string value) {
        values_.emplace_back(std::move(name), std::move(value));
    }
    bool has(std::string_view name) const { return find(name) != nullptr; }
    // The first value of `name`; "" where it was not given.
    std::string get(std::string_view name) const;
    std::vector<std::string> all(std::string_view name) const;

    // Values that their type has checked already. REQUIRES: has(name).
    IpAddress address(std::string_view name) const;
    Endpoint endpoint(std::string_view name) const;
    uint32_t number(std::string_view name) const;
    std::chrono::milliseconds duration(std::string_view name) const;

  private:
    const std::string* find(std::string_view name) const;

    std::vector<std::pair<std::string, std::string>> values_;
};

struct ArgumentType {
    std::string_view name;    // in a syntax: "NAME:port"
    std::string_view expect;  // "an IPv4 or IPv6 address": the help, and the mend of a bad value
    bool (*valid)(std::string_view word);
    // Completions given what precedes; null where there is nothing to propose.
    std::vector<std::string> (*values)(const ControlApi& control,
                                       const Arguments& before) = nullptr;
};

// nullptr: no such type.
const ArgumentType* find_argument_type(std::string_view name);

// "0.5", from 0.1 to 3600.
std::optional<double> parse_seconds(std::string_view word);
// "80,443" as numbers; an error for anything but whole ports above 0.
Result<std::vector<uint16_t>> parse_ports(std::string_view list);
// "10.1.1.1,2001:db8:1::/64" as prefixes.
Result<std::vector<Prefix>> parse_vips(std::string_view list);

}  // namespace dlb
