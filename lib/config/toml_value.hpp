// The TOML document as toml11 holds it.
//
// Thread safety: plain values.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <toml.hpp>

namespace dlb::conf {

// toml11 3.7.1 calls back() on an array that a later key extends, without asking whether it is
// empty: "a = []" and "[a.b]" would read outside of it. An element that is no table makes it report
// the clash.
template <typename T, typename Allocator = std::allocator<T>>
class TomlArray : public std::vector<T, Allocator> {
  public:
    using std::vector<T, Allocator>::vector;
    T& back() {
        static T none;
        return this->empty() ? none : std::vector<T, Allocator>::back();
    }
};

using Value = toml::basic_value<toml::discard_comments, std::map, TomlArray>;

// The value of `key`; nullptr: no such key, or no table.
inline const Value* child(const Value& table, const std::string& key) {
    if (!table.is_table()) {
        return nullptr;
    }
    const auto& entries = table.as_table(std::nothrow);
    const auto found = entries.find(key);
    return found == entries.end() ? nullptr : &found->second;
}

}  // namespace dlb::conf
