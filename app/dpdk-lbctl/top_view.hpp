// The screen of `top` as lines of text, from the model and from where the user has moved to.
//
// Shapes: a line is spans from the left, at most as wide as the screen.
// Thread safety: plain values.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "top_model.hpp"

namespace dlb::ctl {

enum class Style { Plain, Bold, Header, FocusedHeader, Selected, Green, Yellow, Red };

struct Span {
    std::string text;
    Style style = Style::Plain;
};
using Line = std::vector<Span>;

enum class Panel : uint8_t { Services, Backends, Workers };
inline constexpr size_t kPanels = 3;

// Keys that are no characters.
enum class TopKey { Up, Down, PageUp, PageDown, Home, End, Next, Previous, Enter, Escape, Erase };

class TopView {
  public:
    // A key; `character` only where `key` is none of TopKey. False: the user leaves.
    bool press(char character);
    void press(TopKey key);

    std::vector<Line> compose(const TopModel& model, size_t width, size_t height);

    // The service under the cursor; "" without any. After compose().
    const std::string& selected() const { return selected_; }

    double seconds = 1;   // between polls, for the heading
    std::string clock;    // "22:36:14"
    std::string message;  // what is wrong; "" for nothing

  private:
    struct Place {
        size_t first = 0;  // row on top
        size_t rows = 1;   // that fit
        size_t sort = 0;   // column
        bool reversed = false;
    };

    Place& focused() { return places_[static_cast<size_t>(focus_)]; }
    void move(std::ptrdiff_t rows);
    void heading(const TopModel& model, size_t width, std::vector<Line>& lines) const;
    void services(const TopModel& model, size_t width, size_t height, std::vector<Line>& lines);
    void backends(const TopModel& model, size_t width, size_t height, std::vector<Line>& lines);
    void workers(const TopModel& model, size_t width, size_t height, std::vector<Line>& lines);
    Line footer(size_t width) const;

    Panel focus_ = Panel::Services;
    std::array<Place, kPanels> places_;
    std::string selected_;
    bool chosen_ = false;       // the cursor follows selected_; else it stays on top
    std::ptrdiff_t moved_ = 0;  // of the cursor, since the last compose()
    std::string filter_;
    bool typing_ = false;  // the filter
};

}  // namespace dlb::ctl
