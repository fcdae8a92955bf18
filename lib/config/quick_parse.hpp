// TOML text → a walk over its values, by toml++: twenty times as fast as toml11, whose errors and
// places are the ones that people see. So a good file is read by this, and only one in which
// something is wrong by toml11 too. The two libraries share a namespace: no file may include both.
//
// Thread safety: pure but for the sink.
#pragma once

#include <cstdint>
#include <string_view>

namespace dlb::conf {

// Takes the document: tables by key, arrays in their order. `key` is empty for the elements of an
// array.
class TomlSink {
  public:
    virtual ~TomlSink() = default;
    virtual void open_table(std::string_view key) = 0;
    virtual void open_array(std::string_view key) = 0;
    virtual void close() = 0;  // the innermost of what is open
    virtual void add(std::string_view key, bool value) = 0;
    virtual void add(std::string_view key, int64_t value) = 0;
    virtual void add(std::string_view key, double value) = 0;
    virtual void add(std::string_view key, std::string_view value) = 0;
};

// False: it is not TOML, not ASCII, or holds a date or time, which no key takes; the sink may have
// had a part. REQUIRES: screen() passed it, so that it is not deep.
bool quick_parse(std::string_view text, TomlSink& sink);

}  // namespace dlb::conf
