// The console's commands: one declaration each gives its syntax, help, completion and handler. The
// terminal, the socket and the manual are made from the same table.
//
// Errors: CommandResult.status is 0 done, 1 it failed, 2 the line does not parse; `error` is one
// line. Thread safety: control thread only.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "console/matcher.hpp"
#include "console/syntax.hpp"
#include "console/text_table.hpp"
#include "control/api.hpp"

namespace dlb {

struct CommandResult {
    int status = 0;
    std::string error;  // empty exactly when status is 0
    Json data;          // the answer for programs, keys as in interface.md
    std::string text;   // the same for people, lines ending in '\n'
    bool quit = false;  // the client leaves after this answer
};

// Takes the answer: exactly once for each command, at once or later on the control thread.
class CommandDone {
  public:
    template <typename Answer>
    requires(std::invocable<Answer, CommandResult> && !std::same_as<Answer, CommandDone>)
        CommandDone(Answer answer, std::function<bool()> wanted = {})  // NOLINT: implicit by design
        : answer_(std::move(answer)), wanted_(std::move(wanted)) {}

    void operator()(CommandResult result) const { answer_(std::move(result)); }
    // False once nobody waits for the answer: the client has gone. What waits may then end.
    bool wanted() const { return !wanted_ || wanted_(); }

  private:
    std::function<void(CommandResult)> answer_;
    std::function<bool()> wanted_;
};
using CommandHandler =
    std::function<void(ControlApi& control, const Arguments& arguments, const CommandDone& done)>;

// What dpdk-lbctl does itself; a daemon that is asked for it says so.
enum class ClientCommand : uint8_t { None, Watch, Top, Paging };

struct Command {
    std::string_view pattern;  // see syntax.hpp
    std::string_view help;     // one line
    CommandHandler handler;
    std::string_view details;  // more lines for `help COMMAND`; may be empty
    bool takes_time = false;   // as long as its user says: no limit for the answer
    ClientCommand client = ClientCommand::None;
};

// Every command with its parsed syntax, in the order that help shows.
class CommandTable {
  public:
    // The commands of this version.
    static const CommandTable& instance();

    explicit CommandTable(std::vector<Command> commands);
    CommandTable(const CommandTable&) = delete;
    CommandTable& operator=(const CommandTable&) = delete;

    const std::vector<Command>& commands() const { return commands_; }
    const std::vector<CommandSyntax>& syntaxes() const { return syntaxes_; }
    const CommandMatcher& matcher() const { return matcher_; }

  private:
    std::vector<Command> commands_;
    std::vector<CommandSyntax> syntaxes_;
    std::vector<std::string> helps_;
    CommandMatcher matcher_;
};

// Runs one line. A line that ends in '?' is answered with what may come there; an empty one does
// nothing. True for a command that takes_time.
bool execute(ControlApi& control, std::string_view line, const CommandDone& done);

// What the last word of the line may become; after a space, what the next word may be.
Completion complete(const ControlApi& control, std::string_view line);

}  // namespace dlb
