// `help`, from the command table itself.
#include <fmt/format.h>

#include "console/handlers.hpp"
#include "console/words.hpp"

namespace dlb::handlers {

namespace {

constexpr size_t kHelpColumn = 40;

// "  show ports      link, driver, …"; help on the next line after a long syntax.
std::string list_line(const std::string& syntax, std::string_view text) {
    if (syntax.size() + 4 <= kHelpColumn) {
        return fmt::format("  {:<{}}{}\n", syntax, kHelpColumn - 2, text);
    }
    return fmt::format("  {}\n{:<{}}{}\n", syntax, "", kHelpColumn, text);
}

void describe_argument(TextTable& table, std::vector<std::string>& seen, const SyntaxToken& token) {
    for (const std::string& name : seen) {
        if (name == token.shown) {
            return;
        }
    }
    if (token.is_argument()) {
        seen.push_back(token.shown);
        table.add_row({"  " + token.shown, std::string(token.type->expect)});
    }
}

std::string in_detail(const Command& command, const CommandSyntax& syntax) {
    std::string text = fmt::format("{}\n  {}\n", syntax.to_string(), command.help);
    TextTable arguments({{}, {}});
    std::vector<std::string> seen;
    for (const SyntaxToken& token : syntax.head) {
        describe_argument(arguments, seen, token);
    }
    for (const SyntaxGroup& group : syntax.groups) {
        for (const SyntaxToken& token : group.tokens) {
            describe_argument(arguments, seen, token);
        }
    }
    if (!seen.empty()) {
        text += '\n' + arguments.to_string();
    }
    if (!command.details.empty()) {
        text += fmt::format("\n{}\n", command.details);
    }
    return text;
}

}  // namespace

CommandResult help(ControlApi&, const Arguments& arguments) {
    const CommandTable& table = CommandTable::instance();
    const std::vector<std::string> words = arguments.all("COMMAND");
    const std::vector<size_t> found = table.matcher().commands_starting(words);
    if (found.empty()) {
        return misuse(fmt::format("no command starts with {}: \"help\" lists them",
                                  quote_word(join_words(words))));
    }
    Json data = Json::array();
    std::string text;
    for (const size_t i : found) {
        const std::string syntax = table.syntaxes()[i].to_string();
        const Command& command = table.commands()[i];
        data.push_back({{"command", syntax}, {"help", command.help}, {"details", command.details}});
        text += found.size() == 1 ? in_detail(command, table.syntaxes()[i])
                                  : list_line(syntax, command.help);
    }
    if (words.empty()) {
        text +=
            "\nKeywords may be abbreviated. [ ] may be left out; \"help COMMAND\" tells more.\n";
    }
    return answer(std::move(data), std::move(text));
}

}  // namespace dlb::handlers
