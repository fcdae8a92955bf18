// A secret is in no message, whatever the file does to it.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "config/config.hpp"
#include "config/schema.hpp"
#include "config/text.hpp"
#include "config_mistake.hpp"

namespace dlb {
namespace {

const std::string kSecret = "hunter2TopSecret";

std::vector<ConfigError> errors_of(const std::string& password_lines) {
    const ConfigResult result = parse_config(
        rest("[bgp]\nenabled = false\n[[bgp.neighbor]]\naddress = \"10.0.0.1\"\n" + password_lines),
        "lb.toml");
    EXPECT_EQ(result.config.has_value(), result.errors.empty());
    return result.errors;
}

TEST(ConfigSecret, IsInNoError) {
    const std::string quoted = "\"" + kSecret + "\"";
    for (const std::string& line : {
             "password = \"\\u0001" + kSecret + "\"",
             "password = \"" + kSecret + "\\n\"",
             "password = \"\"\"" + kSecret + "\n\"\"\"",
             "password = [" + quoted + "]",
             "password = [[" + quoted + "], 1]",
             "password = { value = " + quoted + " }",
             "password.value = " + quoted,
             "password = " + kSecret,
             "password = \"" + kSecret,
             "password = '" + kSecret,
             "password = \"" + kSecret + "\\q\"",
             "password = \"" + kSecret + "\x01\"",
             "password = \"" + kSecret + "\xff\"",
             "password = " + quoted + " " + kSecret,
             "password = " + quoted + "\npassword = " + quoted,
             "password " + quoted,
             "password : " + quoted,
             "pasword = " + quoted,
             "password = \"" + kSecret + std::string(20000, 'x') + "\"",
         }) {
        const std::vector<ConfigError> errors = errors_of(line);
        EXPECT_FALSE(errors.empty()) << line;
        for (const ConfigError& error : errors) {
            EXPECT_EQ(error.to_string().find(kSecret), std::string::npos) << error.to_string();
        }
    }
}

TEST(ConfigSecret, NumbersAreNoLessSecret) {
    const std::vector<std::string> values = {"20261125", "2026.1125", "2026-11-25"};
    for (const std::string& value : values) {
        const std::vector<ConfigError> errors = errors_of("password = " + value);
        ASSERT_EQ(errors.size(), 1U);
        EXPECT_EQ(errors[0].problem, "password is a number or date");
    }
    ASSERT_EQ(errors_of("password = false").size(), 1U);
    EXPECT_EQ(errors_of("password = false")[0].problem, "password is true or false");
}

TEST(ConfigSecret, WhatIsShownInItsPlaceIsNoSecret) {
    EXPECT_TRUE(errors_of("password = \"" + kSecret + "\"").empty());
    EXPECT_EQ(conf::hidden(kSecret), "***");
    EXPECT_EQ(conf::hidden(""), "");
    const std::vector<ConfigError> errors = errors_of("password = \"***\"");
    ASSERT_EQ(errors.size(), 1U);
    EXPECT_NE(errors[0].mend.find("give the secret itself"), std::string::npos);
}

// One word in the schema is all it takes; this finds a new password without it.
void expect_passwords_are_secret(const std::vector<conf::Field>& fields) {
    for (const conf::Field& field : fields) {
        if (field.key == "password" || field.key == "token") {
            EXPECT_TRUE(field.secret) << field.key;
        }
        expect_passwords_are_secret(field.fields);
    }
}

TEST(ConfigSecret, EveryPasswordOfTheSchemaIsOne) {
    expect_passwords_are_secret(conf::schema());
}

}  // namespace
}  // namespace dlb
