// Every key of lb.toml with what a reader needs to know of it: for the manual.
//
// Thread safety: a pure function.
#pragma once

#include <string>
#include <vector>

namespace dlb {

struct KeyReference {
    std::string table;   // as it is written: "[lb]", "[[service.backend]]"
    std::string key;     // "" for the table itself, which precedes its keys
    std::string wanted;  // "a whole number from 0 to 65535"
    std::string usual;   // the default; "" where there is none
    std::string help;    // one sentence or more
    bool required = false;
};

// In the order of the schema, each table after the keys of the one around it.
std::vector<KeyReference> key_reference();

}  // namespace dlb
