#include "console/command.hpp"

#include <algorithm>
#include <exception>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "console/words.hpp"

namespace dlb {

namespace {

std::vector<CommandSyntax> parse_all(const std::vector<Command>& commands) {
    std::vector<CommandSyntax> syntaxes;
    syntaxes.reserve(commands.size());
    for (const Command& command : commands) {
        syntaxes.push_back(CommandSyntax::parse(command.pattern));
    }
    return syntaxes;
}

CommandResult failed(int status, const std::string& error) {
    CommandResult result;
    result.status = status;
    result.error = error;
    return result;
}

// "show ba?" and "show ?": what may stand there.
CommandResult explain_line(const ControlApi& control, std::string_view line) {
    const Completion completion = complete(control, line);
    if (completion.expected.empty()) {
        return failed(2, fmt::format("nothing is known after {}: \"help\" lists the commands",
                                     quote_word(line)));
    }
    CommandResult result;
    result.data = Json::array();
    for (const Expectation& expectation : completion.expected) {
        result.data.push_back({{"word", expectation.word}, {"help", expectation.help}});
    }
    result.text = render_table(result.data, {{"", "word"}, {"", "help"}}, "");
    return result;
}

// "watch 2 show ba": what `show ba` may become.
void drop_watch(std::vector<std::string>& words) {
    const auto show = std::find(words.begin(), words.end(), "show");
    if (show != words.end() && words.front() == "watch" && show - words.begin() <= 2) {
        words.erase(words.begin(), show);
    }
}

bool ends_in_space(std::string_view line) {
    return line.empty() || line.back() == ' ' || line.back() == '\t';
}

}  // namespace

CommandTable::CommandTable(std::vector<Command> commands)
    : commands_(std::move(commands)), syntaxes_(parse_all(commands_)), matcher_(syntaxes_, helps_) {
    for (const Command& command : commands_) {
        helps_.emplace_back(command.help);
    }
}

bool execute(ControlApi& control, std::string_view line, const CommandDone& done) {
    const size_t last = line.find_last_not_of(" \t\r\n");
    line = line.substr(0, last == std::string_view::npos ? 0 : last + 1);
    if (!line.empty() && line.back() == '?') {
        done(explain_line(control, line.substr(0, line.size() - 1)));
        return false;
    }
    const auto words = split_words(line);
    if (!words.ok()) {
        done(failed(2, words.error()));
        return false;
    }
    if (words.value().empty()) {
        done(CommandResult{});
        return false;
    }
    const CommandTable& table = CommandTable::instance();
    const auto match = table.matcher().match(words.value());
    if (!match.ok()) {
        done(failed(2, match.error()));
        return false;
    }
    const Command& command = table.commands()[match.value().command];
    // A handler that throws may have answered already.
    const auto answered = std::make_shared<bool>(false);
    const CommandDone once(
        [done, answered](CommandResult result) {
            if (!std::exchange(*answered, true)) {
                done(std::move(result));
            }
        },
        [done] { return done.wanted(); });
    try {
        command.handler(control, match.value().arguments, once);
    } catch (const std::exception& e) {
        once(failed(1, fmt::format("{} failed: {}", quote_word(line), e.what())));
    }
    return command.takes_time;
}

Completion complete(const ControlApi& control, std::string_view line) {
    auto words = split_words(line);
    if (!words.ok()) {
        return {};
    }
    std::vector<std::string> before = words.value();
    std::string partial;
    if (!ends_in_space(line) && !before.empty()) {
        partial = before.back();
        before.pop_back();
    }
    if (!before.empty() && starts_with("help", before.front())) {
        before.erase(before.begin());
    }
    drop_watch(before);
    return CommandTable::instance().matcher().complete(control, before, partial);
}

}  // namespace dlb
