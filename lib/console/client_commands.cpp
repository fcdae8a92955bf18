#include "console/client_commands.hpp"

#include "console/handlers.hpp"
#include "console/words.hpp"

namespace dlb {

namespace {

void refuse(ControlApi&, const Arguments&, const CommandDone& done) {
    done(handlers::misuse("dpdk-lbctl runs this command itself: give it there"));
}

}  // namespace

std::vector<Command> client_commands() {
    constexpr std::string_view kWatch =
        "On a terminal it redraws the screen until q or Ctrl-C; else it prints one block after "
        "the\n"
        "other, each after a line with the time. With --json it prints a document a line.";
    return {
        {"watch show (WORD:word)...", "repeat a show every second", refuse, kWatch, false,
         ClientCommand::Watch},
        {"watch SECONDS show (WORD:word)...", "repeat a show every so many seconds", refuse, kWatch,
         false, ClientCommand::Watch},
        {"top [-d SECONDS]", "a live view of services, backends and workers", refuse,
         "Updates every second, or every SECONDS. The last line of the screen lists the keys.",
         false, ClientCommand::Top},
        {"set paging on|off", "long answers a page at a time, or all at once", refuse,
         "On a terminal, answers longer than the screen go through $PAGER, or less -FRX. This is\n"
         "for this console; the option --no-pager does the same.",
         false, ClientCommand::Paging},
    };
}

std::optional<OwnCommand> parse_own_command(std::string_view line) {
    const size_t last = line.find_last_not_of(" \t\r\n");
    const auto words = split_words(line);
    if (last == std::string_view::npos || line[last] == '?' || !words.ok()) {
        return std::nullopt;
    }
    const CommandTable& table = CommandTable::instance();
    const auto match = table.matcher().match(words.value());
    if (!match.ok()) {
        return std::nullopt;
    }
    OwnCommand own;
    own.what = table.commands()[match.value().command].client;
    if (own.what == ClientCommand::None) {
        return std::nullopt;
    }
    const Arguments& arguments = match.value().arguments;
    own.seconds = parse_seconds(arguments.get("SECONDS")).value_or(1);
    std::vector<std::string> show = arguments.all("WORD");
    show.insert(show.begin(), "show");
    own.command = join_words(show);
    own.on = arguments.get("on|off") == "on";
    return own;
}

}  // namespace dlb
