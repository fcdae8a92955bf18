#include "config/rules.hpp"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "config/notation.hpp"
#include "config/text.hpp"
#include "net/ip_address.hpp"

namespace dlb::conf {

namespace {

// A rule for strings that `test` takes.
template <typename Test>
Rule string_rule(std::string wanted, Test test) {
    return {std::move(wanted), [test = std::move(test)](const Value& value) {
                return value.is_string() && test(value.as_string(std::nothrow).str);
            }};
}

template <typename T>
Rule parsed_by(std::string wanted) {
    return string_rule(std::move(wanted),
                       [](const std::string& text) { return T::parse(text).has_value(); });
}

bool is_printable(const std::string& text) {
    return std::none_of(text.begin(), text.end(),
                        [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

bool is_colon_list(std::string_view text, size_t parts, uint64_t most) {
    for (size_t part = 0; part < parts; ++part) {
        const size_t colon = text.find(':');
        if ((colon == std::string_view::npos) != (part + 1 == parts)) {
            return false;
        }
        const std::string_view digits = text.substr(0, colon);
        uint64_t number = 0;
        const auto [end, error] =
            std::from_chars(digits.data(), digits.data() + digits.size(), number);
        if (error != std::errc{} || end != digits.data() + digits.size() || number > most) {
            return false;
        }
        text.remove_prefix(std::min(digits.size() + 1, text.size()));
    }
    return true;
}

}  // namespace

Rule boolean() {
    return {"true or false", [](const Value& value) { return value.is_boolean(); }};
}

Rule integer(int64_t least, int64_t most) {
    return {fmt::format("a whole number from {} to {}", least, most),
            [least, most](const Value& value) {
                return value.is_integer() && value.as_integer(std::nothrow) >= least &&
                       value.as_integer(std::nothrow) <= most;
            }};
}

Rule share() {
    return {"a number from 0.0 to 1.0", [](const Value& value) {
                if (value.is_integer()) {
                    return value.as_integer(std::nothrow) == 0 ||
                           value.as_integer(std::nothrow) == 1;
                }
                return value.is_floating() && value.as_floating(std::nothrow) >= 0 &&
                       value.as_floating(std::nothrow) <= 1;
            }};
}

Rule text() {
    return string_rule("text in double quotes, without control characters", is_printable);
}

Rule one_of(std::vector<std::string> words) {
    std::vector<std::string> shown(words.size());
    std::transform(words.begin(), words.end(), shown.begin(), toml_string);
    return string_rule(alternatives(shown), [words = std::move(words)](const std::string& text) {
        return std::find(words.begin(), words.end(), text) != words.end();
    });
}

Rule duration(std::chrono::milliseconds least, std::chrono::milliseconds most) {
    return string_rule(fmt::format("a duration from \"{}\" to \"{}\", in ms, s, m or h",
                                   format_duration(least), format_duration(most)),
                       [least, most](const std::string& text) {
                           const auto duration = parse_duration(text);
                           return duration && *duration >= least && *duration <= most;
                       });
}

Rule name(size_t longest) {
    return string_rule(fmt::format("1 to {} letters, digits, '_', '.' or '-'", longest),
                       [longest](const std::string& text) { return is_name(text, longest); });
}

Rule interface_name_or_none() {
    return or_empty(
        string_rule(fmt::format("an interface's name: 1 to {} characters, no space, '/' or ':'",
                                kInterfaceNameLength),
                    is_interface_name));
}

Rule socket_path() {
    return string_rule(
        fmt::format("a path of at most {} bytes", kSocketPathLength), [](const std::string& text) {
            return !text.empty() && text.size() <= kSocketPathLength && is_printable(text);
        });
}

Rule device() {
    return string_rule(
        "a PCI address, as in \"0000:3b:00.0\", or a vdev, as in \"net_af_packet0,iface=eth0\"",
        is_device);
}

Rule cores() {
    return {fmt::format("CPU numbers up to {}, each once, as in \"1-3\" or \"1,3,5\"", kLastCpu),
            [](const Value& value) {
                if (value.is_integer()) {
                    return value.as_integer(std::nothrow) >= 0 &&
                           value.as_integer(std::nothrow) <= kLastCpu;
                }
                return value.is_string() &&
                       parse_cores(value.as_string(std::nothrow).str).has_value();
            }};
}

Rule address() {
    return parsed_by<IpAddress>("an IPv4 or IPv6 address");
}

Rule ipv4_address() {
    return string_rule("an IPv4 address", [](const std::string& text) {
        const auto address = IpAddress::parse(text);
        return address && address->is_v4();
    });
}

Rule prefix() {
    return parsed_by<Prefix>(
        "an address, or a prefix without bits after its length, as in \"10.1.1.0/24\"");
}

Rule interface_address() {
    // Without a length an address would be alone on its link, which nobody means.
    return string_rule("an address with its subnet's length, as in \"10.0.0.106/24\"",
                       [](const std::string& text) {
                           return text.find('/') != std::string::npos &&
                                  InterfaceAddress::parse(text).has_value();
                       });
}

Rule endpoint() {
    return parsed_by<Endpoint>("an address and a port, as in \"0.0.0.0:179\" or \"[::]:179\"");
}

Rule mac() {
    return parsed_by<MacAddress>("a MAC address, as in \"02:00:00:00:00:01\"");
}

Rule numbers_with_colons(size_t parts, uint64_t most) {
    return string_rule(
        fmt::format("{} numbers up to {} with colons between, in double quotes", parts, most),
        [parts, most](const std::string& text) { return is_colon_list(text, parts, most); });
}

Rule port_or_its_name() {
    const Rule number = integer(1, 65535);
    const Rule word = text();
    return {"a port number or the port's name", [number, word](const Value& value) {
                return number.accepts(value) || word.accepts(value);
            }};
}

Rule or_empty(Rule rule) {
    rule.wanted += ", or \"\"";
    rule.accepts = [inner = std::move(rule.accepts)](const Value& value) {
        return (value.is_string() && value.as_string(std::nothrow).str.empty()) || inner(value);
    };
    return rule;
}

}  // namespace dlb::conf
