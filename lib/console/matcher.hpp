// Finds the command that a line means: keywords may be abbreviated as long as the whole line has
// one meaning ("sh back" is `show backends`), and what does not fit is named.
//
// Thread safety: const after construction; values() of argument types ask on the control thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "console/syntax.hpp"
#include "net/result.hpp"

namespace dlb {

// What may come next on a line.
struct Expectation {
    std::string word;  // a keyword, an argument's name, or "<enter>"
    std::string help;
};

struct Completion {
    std::vector<std::string> candidates;  // whole words to replace the last, unfinished one with
    std::vector<Expectation> expected;
};

class CommandMatcher {
  public:
    struct Match {
        size_t command = 0;  // index into the list given
        Arguments arguments;
    };

    // `helps`: a line for each syntax. Both are kept by reference.
    CommandMatcher(const std::vector<CommandSyntax>& syntaxes,
                   const std::vector<std::string>& helps)
        : syntaxes_(syntaxes), helps_(helps) {}

    // Errors are one line and say what would fit. REQUIRES: words is not empty.
    Result<Match> match(const std::vector<std::string>& words) const;

    // What the word `partial` after `words` may become.
    Completion complete(const ControlApi& control, const std::vector<std::string>& words,
                        const std::string& partial) const;

    // The commands whose first words are `words`, for help.
    std::vector<size_t> commands_starting(const std::vector<std::string>& words) const;

  private:
    // How a word came to fit; lower is better.
    enum class Fit : uint8_t { Keyword, Argument, Abbreviation };

    // One reading of the words so far.
    struct Reading {
        size_t command = 0;
        size_t head = 0;                     // tokens of the head that are matched
        size_t group = kNoGroup, token = 0;  // the open group and its next token
        std::vector<bool> used;              // groups that are complete
        std::vector<Fit> fits;               // of each word
        std::string keyword;                 // that the last word stands for; "" for an argument
        Arguments arguments;
    };
    struct Step {
        const SyntaxToken* token;
        size_t group;  // kNoGroup: of the head
    };
    static constexpr size_t kNoGroup = SIZE_MAX;

    std::vector<Reading> all() const;
    std::vector<Step> steps(const Reading& reading) const;
    Reading advance(const Reading& reading, const Step& step, Fit fit, const std::string& keyword,
                    const std::string& word) const;
    std::vector<Reading> read_word(const std::vector<Reading>& readings,
                                   const std::string& word) const;
    bool is_complete(const Reading& reading) const;
    std::string keyword_help(const std::vector<Reading>& readings,
                             const std::string& keyword) const;
    std::string misfit(const std::vector<Reading>& readings, const std::vector<std::string>& words,
                       size_t index) const;
    std::string missing(const std::vector<Reading>& readings,
                        const std::vector<std::string>& words) const;

    const std::vector<CommandSyntax>& syntaxes_;
    const std::vector<std::string>& helps_;
};

}  // namespace dlb
