// A panel of `top`: columns as wide as the screen allows, a heading in reverse, rows.
// Thread safety: plain values.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "top_view.hpp"

namespace dlb::ctl {

struct Column {
    std::string header;
    size_t width = 0;  // at least
    bool right = false;
    size_t most = 0;  // grows up to this where there is room; 0: never
};

// Characters of UTF-8.
size_t text_width(std::string_view text);

class Table {
  public:
    // Columns on the right that do not fit are left out.
    Table(std::vector<Column> columns, size_t width);

    // `title` stands over the first column, the column that the rows are sorted by is marked.
    // Where not all of `total` rows `fit`, it tells how many there are.
    void heading(const std::string& title, size_t sorted_by, bool focused, size_t total,
                 size_t fit);
    void row(const std::vector<Span>& cells, bool selected);
    // Appends `height` lines, empty ones after the last row.
    void finish(size_t height, std::vector<Line>& lines);

  private:
    std::string padded(const std::string& text, size_t column) const;

    std::vector<Column> columns_;
    size_t width_;
    std::vector<Line> lines_;
};

}  // namespace dlb::ctl
