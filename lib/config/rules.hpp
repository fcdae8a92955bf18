// Rules that one value of lb.toml is held to, by kind: each with the words for what it wants.
//
// Thread safety: plain values; a rule may be used from any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "config/toml_value.hpp"

namespace dlb::conf {

struct Rule {
    std::string wanted;  // completes "give …": "a whole number from 0 to 65535"
    std::function<bool(const Value&)> accepts;
};

Rule boolean();
Rule integer(int64_t least, int64_t most);
Rule share();  // a number from 0 to 1
Rule text();
Rule one_of(std::vector<std::string> words);
Rule duration(std::chrono::milliseconds least, std::chrono::milliseconds most);

Rule name(size_t longest);
Rule interface_name_or_none();
Rule socket_path();
Rule device();
Rule cores();

Rule address();
Rule ipv4_address();
Rule prefix();
Rule interface_address();
Rule endpoint();
Rule mac();
Rule numbers_with_colons(size_t parts, uint64_t most);  // BGP communities
Rule port_or_its_name();

Rule or_empty(Rule rule);  // "" as well

}  // namespace dlb::conf
