#include "control/log_line.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <spdlog/pattern_formatter.h>
#include <sys/stat.h>

namespace dlb {

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kTime = "%Y-%m-%dT%H:%M:%S.%e%z";

bool is_plain(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c < 0x7f; });
}

// JSON leaves DEL and the controls above ASCII (U+0080 to U+009F) as they are; terminals obey them.
std::string without_controls(const std::string& text) {
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        const auto next = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : 0);
        if (byte == 0x7f) {
            out += "\\u007f";
        } else if (byte == 0xc2 && next >= 0x80 && next <= 0x9f) {
            out += fmt::format("\\u{:04x}", next);
            ++i;
        } else {
            out += text[i];
        }
    }
    return out;
}

std::string dump(const Json& value) {
    return without_controls(value.dump(-1, ' ', false, Json::error_handler_t::replace));
}

// Of syslog(3).
int priority_of(spdlog::level::level_enum level) {
    switch (level) {
        case spdlog::level::critical:
            return 2;
        case spdlog::level::err:
            return 3;
        case spdlog::level::warn:
            return 4;
        case spdlog::level::info:
            return 6;
        default:
            return 7;
    }
}

class LineFormatter : public spdlog::formatter {
  public:
    explicit LineFormatter(LineStyle style)
        : style_(style), time_(kTime, spdlog::pattern_time_type::local, "") {}

    void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
        spdlog::memory_buf_t time;
        time_.format(message, time);
        const std::string_view text(message.payload.data(), message.payload.size());
        const auto name = spdlog::level::to_string_view(message.level);
        const std::string_view level(name.data(), name.size());
        std::string line = style_.journal ? fmt::format("<{}>", priority_of(message.level)) : "";
        if (style_.format == LogFormat::Json) {
            Json object;
            object["time"] = std::string(time.data(), time.size());
            object["level"] = level;
            object["message"] = text;
            line += dump(object);
        } else if (style_.journal) {
            line += on_one_line(text);
        } else {
            line += fmt::format("{} {} {}", std::string_view(time.data(), time.size()), level,
                                on_one_line(text));
        }
        line += '\n';
        out.append(line.data(), line.data() + line.size());
    }

    std::unique_ptr<spdlog::formatter> clone() const override {
        return std::make_unique<LineFormatter>(style_);
    }

  private:
    LineStyle style_;
    spdlog::pattern_formatter time_;
};

}  // namespace

std::string on_one_line(std::string_view message) {
    if (is_plain(message)) {
        return std::string(message);
    }
    // JSON's escapes, but for the quotes, which need none here.
    const std::string escaped = dump(Json(std::string(message)));
    std::string out;
    for (size_t i = 1; i + 1 < escaped.size(); ++i) {
        if (escaped[i] == '\\' && escaped[i + 1] != '"') {
            out += escaped[i++];
        } else if (escaped[i] == '\\') {
            ++i;
        }
        out += escaped[i];
    }
    return out;
}

std::unique_ptr<spdlog::formatter> make_line_formatter(LineStyle style) {
    return std::make_unique<LineFormatter>(style);
}

bool is_journal(const char* journal_stream, int fd) {
    struct stat status {};
    if (journal_stream == nullptr || fstat(fd, &status) != 0) {
        return false;
    }
    return fmt::format("{}:{}", status.st_dev, status.st_ino) == journal_stream;
}

}  // namespace dlb
