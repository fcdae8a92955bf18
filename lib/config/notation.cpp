#include "config/notation.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstdint>
#include <utility>

#include <fmt/format.h>

namespace dlb::conf {

namespace {

using std::chrono::milliseconds;

struct Unit {
    std::string_view suffix;
    int64_t milliseconds;
};
constexpr std::array<Unit, 4> kUnits = {{{"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}}};

bool is_alphanumeric(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_hex(std::string_view text) {
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; });
}

// "3b:00.0", with or without the domain before it.
bool is_pci_address(std::string_view text) {
    constexpr size_t kShort = 7;
    if (text.size() > kShort) {
        const size_t domain = text.size() - kShort - 1;
        if (domain < 4 || domain > 8 || text[domain] != ':' || !is_hex(text.substr(0, domain))) {
            return false;
        }
        text.remove_prefix(domain + 1);
    }
    return text.size() == kShort && is_hex(text.substr(0, 2)) && text[2] == ':' &&
           is_hex(text.substr(3, 2)) && text[5] == '.' && text[6] >= '0' && text[6] <= '7';
}

std::optional<unsigned> parse_cpu(std::string_view text) {
    unsigned cpu = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), cpu);
    if (error != std::errc{} || end != text.data() + text.size() || cpu > kLastCpu) {
        return std::nullopt;
    }
    return cpu;
}

std::optional<std::pair<unsigned, unsigned>> parse_cpu_range(std::string_view text) {
    const size_t dash = text.find('-');
    const auto first = parse_cpu(text.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : parse_cpu(text.substr(dash + 1));
    if (!first || !last || *first > *last) {
        return std::nullopt;
    }
    return std::pair{*first, *last};
}

}  // namespace

bool is_name(std::string_view text, size_t longest) {
    return !text.empty() && text.size() <= longest &&
           std::all_of(text.begin(), text.end(), [](char c) {
               return is_alphanumeric(c) || c == '_' || c == '.' || c == '-';
           });
}

bool is_interface_name(std::string_view text) {
    return !text.empty() && text.size() <= kInterfaceNameLength && text != "." && text != ".." &&
           std::all_of(text.begin(), text.end(),
                       [](char c) { return c > ' ' && c < 0x7f && c != '/' && c != ':'; });
}

bool is_device(std::string_view text) {
    const std::string_view device = text.substr(0, text.find(','));
    const bool printable =
        std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
    return printable &&
           (is_pci_address(device) || (device.starts_with("net_") && device.size() > 4));
}

std::string device_key(std::string_view device) {
    std::string key(device.substr(0, device.find(',')));
    if (is_pci_address(key)) {
        std::transform(key.begin(), key.end(), key.begin(),
                       [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        return std::count(key.begin(), key.end(), ':') == 1 ? "0000:" + key : key;
    }
    return key;
}

std::string_view device_interface(std::string_view device) {
    constexpr std::string_view kKey = "iface=";
    size_t comma = device.find(',');
    while (comma != std::string_view::npos) {
        device.remove_prefix(comma + 1);
        comma = device.find(',');
        if (device.starts_with(kKey)) {
            return device.substr(0, comma).substr(kKey.size());
        }
    }
    return {};
}

std::optional<milliseconds> parse_duration(std::string_view text) {
    constexpr int64_t kMost = 1'000'000'000;  // of any unit: no product overflows
    int64_t count = 0;
    const char* last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data(), last, count);
    if (error != std::errc{} || text.front() == '-' || count > kMost) {
        return std::nullopt;
    }
    const std::string_view suffix(end, static_cast<size_t>(last - end));
    for (const Unit& unit : kUnits) {
        if (suffix == unit.suffix) {
            return milliseconds(count * unit.milliseconds);
        }
    }
    return std::nullopt;
}

std::string format_duration(milliseconds duration) {
    if (duration.count() == 0) {
        return "0s";
    }
    for (const Unit& unit : kUnits) {
        if (duration.count() % unit.milliseconds == 0) {
            return fmt::format("{}{}", duration.count() / unit.milliseconds, unit.suffix);
        }
    }
    return {};
}

std::optional<std::vector<unsigned>> parse_cores(std::string_view text) {
    std::vector<unsigned> cores;
    for (size_t comma = 0; comma != std::string_view::npos;) {
        comma = text.find(',');
        const auto range = parse_cpu_range(text.substr(0, comma));
        if (!range) {
            return std::nullopt;
        }
        for (unsigned cpu = range->first; cpu <= range->second; ++cpu) {
            cores.push_back(cpu);
        }
        if (cores.size() > kLastCpu + 1) {
            return std::nullopt;  // some are there twice
        }
        text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
    }
    std::sort(cores.begin(), cores.end());
    if (std::adjacent_find(cores.begin(), cores.end()) != cores.end()) {
        return std::nullopt;
    }
    return cores;
}

std::string format_cores(const std::vector<unsigned>& cores) {
    std::string out;
    for (size_t first = 0; first < cores.size();) {
        size_t last = first;
        while (last + 1 < cores.size() && cores[last + 1] == cores[last] + 1) {
            ++last;
        }
        out += out.empty() ? "" : ",";
        out += last == first ? std::to_string(cores[first])
                             : fmt::format("{}-{}", cores[first], cores[last]);
        first = last + 1;
    }
    return out;
}

}  // namespace dlb::conf
