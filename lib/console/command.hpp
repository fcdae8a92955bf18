// The console's commands: one declaration each gives its syntax, help, completion and handler. The
// terminal, the socket and the manual are made from the same table.
//
// Errors: CommandResult.status is 0 done, 1 it failed, 2 the line does not parse; `error` is one
// line. Thread safety: control thread only.
#pragma once

#include <functional>
#include <string>
#include <string_view>
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

// Called exactly once for each command, at once or later on the control thread.
using CommandDone = std::function<void(CommandResult)>;
using CommandHandler =
    std::function<void(ControlApi& control, const Arguments& arguments, const CommandDone& done)>;

struct Command {
    std::string_view pattern;  // see syntax.hpp
    std::string_view help;     // one line
    CommandHandler handler;
    std::string_view details;  // more lines for `help COMMAND`; may be empty
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
// nothing.
void execute(ControlApi& control, std::string_view line, CommandDone done);

// What the last word of the line may become; after a space, what the next word may be.
Completion complete(const ControlApi& control, std::string_view line);

}  // namespace dlb
