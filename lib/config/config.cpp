#include "config/config.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include <fmt/format.h>

#include "config/availability.hpp"
#include "config/build.hpp"
#include "config/document.hpp"
#include "config/findings.hpp"
#include "config/schema.hpp"
#include "config/validate.hpp"

namespace dlb {

namespace {

using conf::Finding;
using conf::Findings;

// REQUIRES: the document without errors.
Config check_document(const conf::Value& root, const std::string& file, Findings& findings) {
    Config config = conf::build_config(root);
    conf::check_available(root, findings);
    findings.seal();
    conf::check_ports(config.ports, findings);
    conf::check_services(config.services, config.ports, findings);
    conf::check_claims(config.services, findings);
    conf::check_bgp(config.bgp, conf::count_next_hops(root), config.ports, findings);
    conf::read_passwords(config.bgp, file, findings);
    return config;
}

// nullopt: something is wrong, and only parse_document() knows where.
std::optional<Config> read_good(std::string_view text, const std::string& file) {
    const std::optional<conf::Value> root = conf::read_quickly(text);
    if (!root) {
        return std::nullopt;
    }
    Findings findings;
    conf::check_schema(*root, true, findings);
    if (!findings.all().empty()) {
        return std::nullopt;
    }
    findings.seal();
    Config config = check_document(*root, file, findings);
    return findings.all().empty() ? std::optional(std::move(config)) : std::nullopt;
}

struct Closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
};

// At most one byte more than a configuration may have: /dev/zero has no end.
std::optional<std::string> read_file(const std::string& path, int& error) {
    const std::unique_ptr<std::FILE, Closer> file(std::fopen(path.c_str(), "rb"));
    if (!file) {
        error = errno;
        return std::nullopt;
    }
    std::string text;
    std::vector<char> block(1U << 16);
    while (text.size() <= conf::kMostBytes) {
        const size_t count = std::fread(block.data(), 1, block.size(), file.get());
        text.append(block.data(), count);
        if (count < block.size()) {
            break;
        }
    }
    if (std::ferror(file.get()) != 0) {
        error = errno;
        return std::nullopt;
    }
    return text;
}

std::string_view mend_of(int error) {
    switch (error) {
        case ENOENT:
            return "give the path of the lb.toml with -c";
        case EISDIR:
            return "give the file inside of it";
        case EACCES:
        case EPERM:
            return "make the file readable for this user, or start as root";
        default:
            return "give a readable file with -c";
    }
}

}  // namespace

std::string ConfigError::to_string() const {
    std::string place = file;
    if (line != 0) {
        place += fmt::format(":{}", line);
    }
    for (const std::string& part : {key, problem}) {
        if (!part.empty()) {
            place += (place.empty() ? "" : ": ") + part;
        }
    }
    return mend.empty() ? place : place + "; " + mend;
}

ConfigResult parse_config(std::string_view text, const std::string& file) {
    ConfigResult result;
    if ((result.config = read_good(text, file))) {
        return result;
    }
    const conf::Document document = conf::parse_document(std::string(text));
    for (const conf::TextError& error : document.errors) {
        result.errors.push_back({file, error.line, "", error.problem, error.mend});
    }
    if (!document.root) {
        return result;
    }
    const bool complete = document.errors.empty();
    Findings findings;
    conf::check_schema(*document.root, complete, findings);
    findings.seal();
    std::optional<Config> config;
    if (complete) {
        config = check_document(*document.root, file, findings);
    }
    for (const Finding& finding : findings.all()) {
        result.errors.push_back({file, conf::find_line(*document.root, finding.where),
                                 finding.where.text(), finding.problem, finding.mend});
    }
    std::stable_sort(result.errors.begin(), result.errors.end(),
                     [](const ConfigError& a, const ConfigError& b) { return a.line < b.line; });
    if (findings.overflowed()) {
        result.errors.push_back({file, 0, "",
                                 fmt::format("there are more than {} errors", Findings::kMost),
                                 "correct these first"});
    }
    if (result.errors.empty()) {
        result.config = std::move(config);
    }
    return result;
}

ConfigResult load_config(const std::string& file) {
    int error = 0;
    const auto text = read_file(file, error);
    if (!text) {
        return {std::nullopt,
                {{file, 0, "", fmt::format("cannot read the file: {}", std::strerror(error)),
                  std::string(mend_of(error))}}};
    }
    return parse_config(*text, file);
}

std::vector<ConfigError> validate_services(const std::vector<ServiceConfig>& services,
                                           const std::vector<PortConfig>& ports) {
    Findings findings;
    conf::check_services(services, ports, findings);
    conf::check_claims(services, findings);
    std::vector<ConfigError> errors;
    for (const Finding& finding : findings.all()) {
        errors.push_back({"", 0, finding.where.text(), finding.problem, finding.mend});
    }
    return errors;
}

}  // namespace dlb
