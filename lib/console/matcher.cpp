#include "console/matcher.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "console/words.hpp"

namespace dlb {

namespace {

constexpr size_t kMaxWords = 256;

void add_once(std::vector<std::string>& words, const std::string& word) {
    if (std::find(words.begin(), words.end(), word) == words.end()) {
        words.push_back(word);
    }
}

// "show port" for a message: the words before `index`.
std::string context(const std::vector<std::string>& words, size_t index) {
    return quote_word(join_words({words.begin(), words.begin() + static_cast<ptrdiff_t>(index)}));
}

}  // namespace

std::vector<CommandMatcher::Reading> CommandMatcher::all() const {
    std::vector<Reading> readings(syntaxes_.size());
    for (size_t i = 0; i < syntaxes_.size(); ++i) {
        readings[i].command = i;
        readings[i].used.resize(syntaxes_[i].groups.size());
    }
    return readings;
}

std::vector<CommandMatcher::Step> CommandMatcher::steps(const Reading& reading) const {
    const CommandSyntax& syntax = syntaxes_[reading.command];
    if (reading.head < syntax.head.size()) {
        return {{&syntax.head[reading.head], kNoGroup}};
    }
    if (reading.group != kNoGroup) {
        return {{&syntax.groups[reading.group].tokens[reading.token], reading.group}};
    }
    std::vector<Step> steps;
    for (size_t i = 0; i < syntax.groups.size(); ++i) {
        if (!reading.used[i] || syntax.groups[i].repeats) {
            steps.push_back({&syntax.groups[i].tokens.front(), i});
        }
    }
    return steps;
}

CommandMatcher::Reading CommandMatcher::advance(const Reading& reading, const Step& step, Fit fit,
                                                const std::string& keyword,
                                                const std::string& word) const {
    Reading next = reading;
    next.fits.push_back(fit);
    next.keyword = keyword;
    next.arguments.add(step.token->shown, keyword.empty() ? word : keyword);
    if (step.group == kNoGroup) {
        ++next.head;
        return next;
    }
    next.token = next.group == kNoGroup ? 1 : next.token + 1;
    next.group = step.group;
    if (next.token == syntaxes_[next.command].groups[step.group].tokens.size()) {
        next.used[step.group] = true;
        next.group = kNoGroup;
    }
    return next;
}

std::vector<CommandMatcher::Reading> CommandMatcher::read_word(const std::vector<Reading>& readings,
                                                               const std::string& word) const {
    std::vector<Reading> next;
    for (const Reading& reading : readings) {
        for (const Step& step : steps(reading)) {
            if (step.token->is_argument() && step.token->type->valid(word)) {
                next.push_back(advance(reading, step, Fit::Argument, {}, word));
            }
            for (const std::string& keyword : step.token->keywords) {
                if (starts_with(keyword, word) && !word.empty()) {
                    const Fit fit = keyword == word ? Fit::Keyword : Fit::Abbreviation;
                    next.push_back(advance(reading, step, fit, keyword, word));
                }
            }
        }
    }
    // "port" is the keyword, not short for "ports".
    const auto is = [](Fit fit) {
        return [fit](const Reading& r) { return r.fits.back() == fit; };
    };
    if (std::any_of(next.begin(), next.end(), is(Fit::Keyword))) {
        std::erase_if(next, is(Fit::Abbreviation));
    }
    return next;
}

bool CommandMatcher::is_complete(const Reading& reading) const {
    const CommandSyntax& syntax = syntaxes_[reading.command];
    if (reading.head < syntax.head.size() || reading.group != kNoGroup) {
        return false;
    }
    for (size_t i = 0; i < syntax.groups.size(); ++i) {
        if (!syntax.groups[i].optional && !reading.used[i]) {
            return false;
        }
    }
    return true;
}

Result<CommandMatcher::Match> CommandMatcher::match(const std::vector<std::string>& words) const {
    if (words.size() > kMaxWords) {
        return Error{fmt::format("{} words: a command has at most {}", words.size(), kMaxWords)};
    }
    std::vector<Reading> readings = all();
    for (size_t i = 0; i < words.size(); ++i) {
        std::vector<Reading> next = read_word(readings, words[i]);
        if (next.empty()) {
            return Error{misfit(readings, words, i)};
        }
        readings = std::move(next);
    }
    std::vector<std::string> meanings;
    for (const Reading& reading : readings) {
        if (reading.fits.back() == Fit::Abbreviation) {
            add_once(meanings, reading.keyword);
        }
    }
    if (meanings.size() > 1) {
        return Error{fmt::format("{} may be {}: type more of it", quote_word(words.back()),
                                 join_choices(meanings))};
    }
    std::vector<Reading> complete;
    std::copy_if(readings.begin(), readings.end(), std::back_inserter(complete),
                 [&](const Reading& reading) { return is_complete(reading); });
    if (complete.empty()) {
        return Error{missing(readings, words)};
    }
    std::stable_sort(complete.begin(), complete.end(),
                     [](const Reading& a, const Reading& b) { return a.fits < b.fits; });
    if (complete.size() > 1 && complete[0].fits == complete[1].fits) {
        return Error{fmt::format("{} may be \"{}\" or \"{}\": type more of it",
                                 context(words, words.size()),
                                 syntaxes_[complete[0].command].to_string(),
                                 syntaxes_[complete[1].command].to_string())};
    }
    return Match{complete.front().command, std::move(complete.front().arguments)};
}

std::string CommandMatcher::misfit(const std::vector<Reading>& readings,
                                   const std::vector<std::string>& words, size_t index) const {
    const std::string& word = words[index];
    std::vector<std::string> keywords;
    const SyntaxToken* argument = nullptr;
    for (const Reading& reading : readings) {
        for (const Step& step : steps(reading)) {
            for (const std::string& keyword : step.token->keywords) {
                add_once(keywords, keyword);
            }
            argument = step.token->is_argument() ? step.token : argument;
        }
        for (size_t i = 0; i < reading.used.size() && reading.group == kNoGroup; ++i) {
            const SyntaxGroup& group = syntaxes_[reading.command].groups[i];
            if (reading.used[i] && !group.repeats && group.tokens.front().shown == word) {
                return fmt::format("{} is given twice: give it once", quote_word(word));
            }
        }
    }
    const std::string what = index == 0 ? fmt::format("unknown command {}", quote_word(word))
                                        : fmt::format("unknown word {} after {}", quote_word(word),
                                                      context(words, index));
    const bool few = index > 0 && keywords.size() <= 3;  // all are named below
    if (const auto nearest = few ? std::nullopt : nearest_word(word, keywords)) {
        return fmt::format("{}: did you mean \"{}\"?", what, *nearest);
    }
    if (argument != nullptr) {
        return fmt::format("{} is {}: give {}", argument->shown, quote_word(word),
                           argument->type->expect);
    }
    if (keywords.empty()) {
        return fmt::format("unexpected {} after {}: the command ends there", quote_word(word),
                           context(words, index));
    }
    return index == 0 ? what + ": \"help\" lists the commands"
                      : fmt::format("{}: give {}", what, join_choices(keywords));
}

std::string CommandMatcher::missing(const std::vector<Reading>& readings,
                                    const std::vector<std::string>& words) const {
    std::vector<std::string> wanted;
    std::set<size_t> commands;
    for (const Reading& reading : readings) {
        commands.insert(reading.command);
        const bool in_groups =
            reading.head == syntaxes_[reading.command].head.size() && reading.group == kNoGroup;
        for (const Step& step : steps(reading)) {
            // Between groups only what must be there is missing.
            const bool must =
                !in_groups || (!reading.used[step.group] &&
                               !syntaxes_[reading.command].groups[step.group].optional);
            if (must) {
                add_once(wanted, step.token->shown);
            }
        }
    }
    const std::string text = fmt::format("{} is not complete: give {} next",
                                         context(words, words.size()), join_choices(wanted));
    return commands.size() > 1
               ? text
               : fmt::format("{} ({})", text, syntaxes_[*commands.begin()].to_string());
}

std::string CommandMatcher::keyword_help(const std::vector<Reading>& readings,
                                         const std::string& keyword) const {
    std::vector<std::string> next;
    std::set<size_t> commands;
    const SyntaxToken* value = nullptr;  // what follows the keyword of a group
    for (const Reading& reading : read_word(readings, keyword)) {
        commands.insert(reading.command);
        for (const Step& step : steps(reading)) {
            add_once(next, step.token->shown);
            value = reading.group != kNoGroup ? step.token : value;
        }
    }
    if (value != nullptr) {
        return value->is_argument() ? fmt::format("{}: {}", value->shown, value->type->expect)
                                    : join_choices(value->keywords);
    }
    if (commands.size() == 1) {
        return helps_[*commands.begin()];
    }
    std::string text;
    for (const std::string& word : next) {
        if (text.size() + word.size() > 60) {
            return text + ", ...";
        }
        text += (text.empty() ? "" : ", ") + word;
    }
    return text;
}

Completion CommandMatcher::complete(const ControlApi& control,
                                    const std::vector<std::string>& words,
                                    const std::string& partial) const {
    if (words.size() > kMaxWords) {
        return {};
    }
    std::vector<Reading> readings = all();
    for (const std::string& word : words) {
        readings = read_word(readings, word);
    }
    Completion completion;
    std::set<std::string> candidates, shown;
    for (const Reading& reading : readings) {
        for (const Step& step : steps(reading)) {
            for (const std::string& keyword : step.token->keywords) {
                if (starts_with(keyword, partial) && candidates.insert(keyword).second) {
                    completion.expected.push_back({keyword, keyword_help(readings, keyword)});
                }
            }
            if (!step.token->is_argument()) {
                continue;
            }
            if (shown.insert(step.token->shown).second) {
                completion.expected.push_back(
                    {step.token->shown, std::string(step.token->type->expect)});
            }
            if (step.token->type->values != nullptr) {
                for (std::string& value : step.token->type->values(control, reading.arguments)) {
                    if (starts_with(value, partial)) {
                        candidates.insert(std::move(value));
                    }
                }
            }
        }
        if (partial.empty() && !words.empty() && is_complete(reading)) {
            completion.expected.push_back({"<enter>", helps_[reading.command]});
        }
    }
    completion.candidates.assign(candidates.begin(), candidates.end());
    return completion;
}

std::vector<size_t> CommandMatcher::commands_starting(const std::vector<std::string>& words) const {
    std::vector<Reading> readings = all();
    for (const std::string& word : words) {
        readings = read_word(readings, word);
    }
    std::set<size_t> commands;
    for (const Reading& reading : readings) {
        commands.insert(reading.command);
    }
    return {commands.begin(), commands.end()};
}

}  // namespace dlb
