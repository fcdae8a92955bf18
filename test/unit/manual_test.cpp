// The manual pages name every command, option and key.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/manual/pages.hpp"
#include "app/manual/roff.hpp"
#include "config/availability.hpp"
#include "config/reference.hpp"
#include "config/schema.hpp"
#include "console/command.hpp"

namespace dlb {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string page(const std::string& name) {
    for (const auto& [file, text] : manual::pages("2026-01-31")) {
        if (file == name) {
            return text;
        }
    }
    return {};
}

TEST(Manual, NamesEveryCommandWithItsHelp) {
    const std::string text = page("dpdk-lbctl.1");
    const CommandTable& table = CommandTable::instance();
    for (size_t i = 0; i < table.commands().size(); ++i) {
        EXPECT_THAT(text, HasSubstr("\n\\fB" + manual::escaped(table.syntaxes()[i].to_string()) +
                                    "\\fR\n" + manual::escaped(table.commands()[i].help)));
    }
    for (const char* option :
         {"\\-s, \\-\\-socket SOCKET", "\\-\\-json", "\\-\\-color WHEN", "\\-\\-no\\-pager"}) {
        EXPECT_THAT(text, HasSubstr("\n\\fB" + std::string(option) + "\\fR\n"));
    }
}

TEST(Manual, NamesEveryOptionOfTheDaemon) {
    const std::string text = page("dpdk-lb.8");
    EXPECT_THAT(text, StartsWith(".TH DPDK\\-LB 8 2026-01-31 "));
    for (const char* option :
         {"\\-c, \\-\\-config FILE", "\\-i, \\-\\-interactive", "\\-\\-check",
          "\\-\\-dump\\-config", "\\-\\-log\\-level L", "\\-\\-version", "\\-h, \\-\\-help"}) {
        EXPECT_THAT(text, HasSubstr("\n\\fB" + std::string(option) + "\\fR\n"));
    }
}

void expect_keys(const std::vector<conf::Field>& fields, const std::string& text) {
    for (const conf::Field& field : fields) {
        EXPECT_FALSE(field.help.empty()) << field.key << " has no help in the schema";
        if (field.fields.empty()) {
            EXPECT_THAT(text, HasSubstr("\\fB" + manual::escaped(field.key) + "\\fR\n" +
                                        manual::escaped(field.help)));
        }
        expect_keys(field.fields, text);
    }
}

TEST(Manual, NamesEveryKeyOfTheFile) {
    const std::string text = page("lb.toml.5");
    expect_keys(conf::schema(), text);
    EXPECT_THAT(text, HasSubstr("\n.SS [[service.backend]]\n"));
    EXPECT_THAT(text, HasSubstr("\n.SS [bgp.graceful_restart]\n"));
    EXPECT_TRUE(conf::is_available("service.health"));
    EXPECT_FALSE(conf::is_available("service.discovery"));
    EXPECT_THAT(text, HasSubstr("or beside them. Not in this version yet"));
}

TEST(Manual, TellsTypesAndDefaults) {
    const auto find = [](const std::string& table, const std::string& key) {
        for (const KeyReference& each : key_reference()) {
            if (each.table == table && each.key == key) {
                return each;
            }
        }
        ADD_FAILURE() << table << ' ' << key;
        return KeyReference();
    };
    EXPECT_EQ(find("[lb]", "mbufs").usual, "32768");
    EXPECT_EQ(find("[lb]", "idle").usual, "\"adaptive\"");
    EXPECT_EQ(find("[lb]", "hugepages").usual, "true");
    EXPECT_EQ(find("[[port]]", "mtu").wanted, "a whole number from 576 to 9216");
    EXPECT_TRUE(find("[[port]]", "device").required);
    EXPECT_EQ(find("[[port]]", "device").usual, "");
    EXPECT_EQ(find("[service.timeout]", "udp").usual, "\"30s\"");
    EXPECT_EQ(find("[service.health]", "type").usual, "\"none\"");
    EXPECT_EQ(find("[service.health]", "expect").usual, "[200]");
    EXPECT_EQ(find("[[service.backend]]", "weight").usual, "1");
    EXPECT_EQ(find("[[bgp.neighbor]]", "port").usual, "179");
    EXPECT_EQ(find("[metrics]", "listen").usual, "\"127.0.0.1:9477\"");
    for (const KeyReference& each : key_reference()) {
        const bool may_be_empty = each.key.empty() || each.required ||
                                  each.table == "[service.discovery]" ||
                                  each.table == "[[bgp.neighbor]]" || each.table == "[bgp]";
        EXPECT_TRUE(may_be_empty || !each.usual.empty()) << each.table << ' ' << each.key;
    }
}

TEST(Manual, EscapesWhatRoffWouldTake) {
    EXPECT_EQ(manual::escaped(".x\n'y\\-"), "\\&.x\n\\&'y\\e\\-");
}

}  // namespace
}  // namespace dlb
