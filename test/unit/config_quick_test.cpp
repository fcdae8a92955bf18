// The quick reader against toml11: what both read is the same.
#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "config/document.hpp"
#include "config_example.hpp"

namespace dlb {
namespace {

// But for the quotes that a string had.
bool same(const conf::Value& a, const conf::Value& b) {
    if (a.is_string() && b.is_string()) {
        return a.as_string().str == b.as_string().str;
    }
    if (a.is_array() && b.is_array()) {
        return std::equal(a.as_array().begin(), a.as_array().end(), b.as_array().begin(),
                          b.as_array().end(), same);
    }
    if (a.is_table() && b.is_table()) {
        return std::equal(a.as_table().begin(), a.as_table().end(), b.as_table().begin(),
                          b.as_table().end(), [](const auto& x, const auto& y) {
                              return x.first == y.first && same(x.second, y.second);
                          });
    }
    return a == b;
}

TEST(ConfigQuick, ReadsTheWholeContractAsToml11Does) {
    const auto quick = conf::read_quickly(kComplete);
    const conf::Document document = conf::parse_document(kComplete);
    ASSERT_TRUE(quick && document.root);
    EXPECT_TRUE(same(*quick, *document.root)) << *quick << *document.root;
}

TEST(ConfigQuick, ReadsEveryFormOfAValueAsToml11Does) {
    const std::string text =
        "a = [1, 0x1f, 0o17, 0b11, 1_000, -5, +7]\n"
        "b = [1.5, -2e3, 6.25e-2]\n"
        "c = ['lit\\eral', \"es\\\"c\\u00fc\\n\", \"\"\"\nseveral\nlines\"\"\", '''x\ny''']\n"
        "d = [true, false]\n"
        "e = { x = 1, y = { z = [ { w = 2 }, {} ] } }\n"
        "f.g.\"h i\" = []\n"
        "[[t]]\n[[t.u]]\nv = 1 # why\n[[t.u]]\n[[t]]\n[t.w]\nx = \"#\"\n";
    const auto quick = conf::read_quickly(text);
    const conf::Document document = conf::parse_document(text);
    ASSERT_TRUE(quick && document.root);
    EXPECT_TRUE(same(*quick, *document.root)) << *quick << *document.root;
}

TEST(ConfigQuick, LeavesMistakesAndDatesToToml11) {
    for (const char* text :
         {"a = ", "a = 1\na = 2\n", "[a\n", "a = \"x", "a = 1979-05-27", "a = \"\xff\"\n"}) {
        EXPECT_FALSE(conf::read_quickly(text).has_value()) << text;
    }
}

// 10,000 texts, each the example with a few bytes changed.
TEST(ConfigQuick, AgreesWithToml11OnBrokenTexts) {
    std::mt19937 random(20);
    const std::string bytes = "\n\t \"'#=[]{},.-_0129azE:\\";
    unsigned both = 0;
    for (int i = 0; i < 10'000; ++i) {
        const size_t start = random() % (kComplete.size() - 300);
        std::string text = kComplete.substr(kComplete.find('\n', start) + 1, 200);
        for (unsigned changes = 1 + random() % 3; changes > 0; --changes) {
            text[random() % text.size()] = bytes[random() % bytes.size()];
        }
        const auto quick = conf::read_quickly(text);
        if (!quick) {
            continue;
        }
        const conf::Document document = conf::parse_document(text);
        if (document.errors.empty()) {
            ++both;
            ASSERT_TRUE(same(*quick, *document.root)) << text;
        }
    }
    EXPECT_GT(both, 100U);
}

}  // namespace
}  // namespace dlb
