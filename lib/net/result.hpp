// Result<T>: a value or a one-line error, for the control path. (GCC 12 has no std::expected.)
// Thread safety: a plain value.
#pragma once

#include <cassert>
#include <optional>
#include <string>
#include <utility>

namespace dlb {

// What went wrong and how to mend it, in one line without a final stop.
struct Error {
    std::string message;
};

template <typename T>
class [[nodiscard]] Result {
  public:
    Result(T value) : value_(std::move(value)) {}              // NOLINT: implicit by design
    Result(Error error) : error_(std::move(error.message)) {}  // NOLINT

    bool ok() const { return value_.has_value(); }
    explicit operator bool() const { return ok(); }
    T& value() & {
        assert(ok());
        return *value_;
    }
    const T& value() const& {
        assert(ok());
        return *value_;
    }
    T&& value() && {
        assert(ok());
        return std::move(*value_);
    }
    const std::string& error() const { return error_; }  // empty when ok()

  private:
    std::optional<T> value_;
    std::string error_;
};

// An outcome without a value.
template <>
class [[nodiscard]] Result<void> {
  public:
    Result() = default;
    Result(Error error) : failed_(true), error_(std::move(error.message)) {}  // NOLINT

    bool ok() const { return !failed_; }
    explicit operator bool() const { return ok(); }
    const std::string& error() const { return error_; }

  private:
    bool failed_ = false;
    std::string error_;
};

}  // namespace dlb
