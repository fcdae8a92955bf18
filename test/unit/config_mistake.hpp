// A fixture for files with one mistake: one error, on the line marked "#!", with its key, what is
// wrong and what would be right.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "config/config.hpp"

namespace dlb {

// The port and the start of the service that the cases are put after.
inline const std::string kPort =
    "[[port]]\n"
    "name = \"up\"\n"
    "device = \"net_null0\"\n"
    "address = [\"10.0.0.106/24\", \"2001:db8::106/64\"]\n";
inline const std::string kService =
    "[[service]]\n"
    "name = \"web\"\n"
    "vip = \"10.1.1.1\"\n";

inline std::string lb(const std::string& lines) {
    return "[lb]\n" + lines + "\n" + kPort;
}
inline std::string port(const std::string& lines) {
    return kPort + lines + "\n";
}
inline std::string service(const std::string& lines) {
    return kPort + kService + lines + "\n";
}
inline std::string backend(const std::string& lines) {
    return service("[[service.backend]]\n" + lines);
}
inline std::string rest(const std::string& lines) {
    return kPort + lines + "\n";
}

// The line of the mark; 0: there is none, and the error is of the whole file.
inline unsigned marked_line(const std::string& text) {
    const size_t mark = text.find("#!");
    return mark == std::string::npos
               ? 0
               : 1 + static_cast<unsigned>(
                         std::count(text.begin(), text.begin() + static_cast<long>(mark), '\n'));
}

struct Mistake {
    std::string name;
    std::string text;
    std::string key;
    std::string problem;  // a part of it
    std::string mend;     // a part of it
};

inline void PrintTo(const Mistake& mistake, std::ostream* out) {
    *out << mistake.name;
}

class ConfigMistake : public testing::TestWithParam<Mistake> {
  protected:
    static void expect_one_error() {
        const Mistake& mistake = GetParam();
        const ConfigResult result = parse_config(mistake.text, "lb.toml");
        EXPECT_FALSE(result.config.has_value());
        std::string all;
        for (const ConfigError& error : result.errors) {
            all += error.to_string() + "\n";
        }
        ASSERT_EQ(result.errors.size(), 1U) << all << mistake.text;
        const ConfigError& error = result.errors.front();
        EXPECT_EQ(error.file, "lb.toml");
        EXPECT_EQ(error.line, marked_line(mistake.text)) << all << mistake.text;
        EXPECT_EQ(error.key, mistake.key) << all;
        EXPECT_NE(error.problem.find(mistake.problem), std::string::npos) << all << mistake.problem;
        EXPECT_NE(error.mend.find(mistake.mend), std::string::npos) << all << mistake.mend;
        EXPECT_FALSE(error.mend.empty());
        EXPECT_EQ(all.find('\n'), all.size() - 1) << "more than one line: " << all;
    }
};

inline std::string case_name(const testing::TestParamInfo<Mistake>& info) {
    return info.param.name;
}

}  // namespace dlb
