#include <vector>

#include "config/document.hpp"
#include "config/quick_parse.hpp"

namespace dlb::conf {

namespace {

class Builder final : public TomlSink {
  public:
    void open_table(std::string_view key) override { open(key, Value(Value::table_type())); }
    void open_array(std::string_view key) override { open(key, Value(Value::array_type())); }
    void close() override { inside_.pop_back(); }
    void add(std::string_view key, bool value) override { place(key, Value(value)); }
    void add(std::string_view key, int64_t value) override { place(key, Value(value)); }
    void add(std::string_view key, double value) override { place(key, Value(value)); }
    void add(std::string_view key, std::string_view value) override {
        place(key, Value(std::string(value)));
    }

    Value take() { return std::move(root_); }

  private:
    Value& place(std::string_view key, Value value) {
        Value& in = *inside_.back();
        if (in.is_table()) {
            return in.as_table(std::nothrow)
                .insert_or_assign(std::string(key), std::move(value))
                .first->second;
        }
        auto& array = in.as_array(std::nothrow);
        array.push_back(std::move(value));
        return array.back();
    }
    // What is open stays where it is: only the innermost table or array grows.
    void open(std::string_view key, Value value) {
        inside_.push_back(&place(key, std::move(value)));
    }

    Value root_ = Value(Value::table_type());  // braces would make it a list of one
    std::vector<Value*> inside_{&root_};
};

}  // namespace

std::optional<Value> read_quickly(std::string_view text) {
    Builder builder;
    if (screen(text) || !quick_parse(text, builder)) {
        return std::nullopt;
    }
    return builder.take();
}

}  // namespace dlb::conf
