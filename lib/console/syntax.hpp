// A command's syntax, parsed once from the pattern that declares it.
//
//   show port NAME:port stats                      keywords, and arguments in capitals with their
//   type del backend SERVICE ADDRESS:backend [port P:backend-port] add service NAME (vip VIP)...
//   [protocol tcp|udp] [port P:ports]...
//
// First come words in order, then groups in any order: [ ] may be left out, ( ) must be there,
// "..." may be repeated. A group starts with a keyword, or is one argument. "tcp|udp" is a choice
// of keywords, and an argument of that name. An argument's type is what follows its last ':', else
// its name in lower case.
//
// Errors: a pattern that breaks these rules throws std::logic_error at start-up.
// Thread safety: plain values.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "console/argument_types.hpp"

namespace dlb {

struct SyntaxToken {
    std::string shown;                   // "show", "tcp|udp", "NAME"
    std::vector<std::string> keywords;   // the alternatives; empty for an argument
    const ArgumentType* type = nullptr;  // set for an argument

    bool is_argument() const { return type != nullptr; }
};

struct SyntaxGroup {
    std::vector<SyntaxToken> tokens;
    bool optional = true;
    bool repeats = false;
};

struct CommandSyntax {
    std::vector<SyntaxToken> head;
    std::vector<SyntaxGroup> groups;

    static CommandSyntax parse(std::string_view pattern);
    // As a user reads it, without types: "show port NAME stats".
    std::string to_string() const;
};

}  // namespace dlb
