// What is wrong with a configuration, and where: a path of keys. Checks know no lines, so that one
// implementation serves the file and the console; find_line() in document.hpp looks a path up.
//
// Invariants: a check that rests on a value already reported adds nothing, so that one mistake is
// one error. Callers end a stage of checks with seal(); later stages are held against the sealed
// ones.
// Thread safety: one thread's own.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace dlb::conf {

struct Step {
    std::string key;
    int index = -1;     // in a list; -1: no list, or any element
    std::string label;  // an element's name in messages
};

class Path {
  public:
    Path key(std::string_view name) const;
    Path item(std::string_view name, size_t index, std::string_view label = {}) const;

    // "service.web.backend.weight"
    std::string text() const;
    const std::vector<Step>& steps() const { return steps_; }
    // One of the two is the other, or lies within it.
    bool related(const Path& other) const;

  private:
    std::vector<Step> steps_;
};

struct Finding {
    Path where;
    std::string problem;
    std::string mend;
};

class Findings {
  public:
    // Past this many a file is not read by a human, and each one costs a look-up of its line.
    static constexpr size_t kMost = 1000;

    // `rests_on`: the other values that the finding is drawn from.
    void add(const Path& where, std::string problem, std::string mend,
             const std::vector<Path>& rests_on = {});
    void seal() { sealed_ = all_.size(); }

    const std::vector<Finding>& all() const { return all_; }
    bool overflowed() const { return overflowed_; }

  private:
    bool in_doubt(const Path& path) const;

    std::vector<Finding> all_;
    size_t sealed_ = 0;
    bool overflowed_ = false;
};

}  // namespace dlb::conf
