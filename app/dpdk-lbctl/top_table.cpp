#include "top_table.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "console/terminal.hpp"

namespace dlb::ctl {

size_t text_width(std::string_view text) {
    return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
        return (static_cast<uint8_t>(c) & 0xc0U) != 0x80;
    }));
}

Table::Table(std::vector<Column> columns, size_t width)
    : columns_(std::move(columns)), width_(width) {
    const auto used = [this] {
        size_t sum = columns_.size() - 1;
        for (const Column& column : columns_) {
            sum += column.width;
        }
        return sum;
    };
    while (columns_.size() > 1 && used() > width_) {
        columns_.pop_back();
    }
    for (bool grew = true; grew && used() < width_;) {
        grew = false;
        for (Column& column : columns_) {
            if (column.width < column.most && used() < width_) {
                ++column.width;
                grew = true;
            }
        }
    }
}

std::string Table::padded(const std::string& text, size_t column) const {
    const Column& shape = columns_[column];
    std::string cell(cut_line(text, shape.width));
    if (cell.size() < text.size() && shape.width > 1) {
        cell = std::string(cut_line(text, shape.width - 1)) + '+';
    }
    const std::string space(shape.width - text_width(cell), ' ');
    return shape.right ? space + cell : cell + space;
}

void Table::heading(const std::string& title, size_t sorted_by, bool focused, size_t total,
                    size_t fit) {
    const std::string part = total > fit ? fmt::format(" ({})", total) : "";
    std::string text;
    for (size_t i = 0; i < columns_.size(); ++i) {
        const std::string name = i == 0 ? title + part : columns_[i].header;
        const std::string mark = i == sorted_by ? "*" : "";
        text += (i == 0 ? "" : " ") + padded(columns_[i].right ? mark + name : name + mark, i);
    }
    text += std::string(width_ - std::min(width_, text_width(text)), ' ');
    Line line = {{text, focused ? Style::FocusedHeader : Style::Header}};
    lines_.push_back(std::move(line));
}

void Table::row(const std::vector<Span>& cells, bool selected) {
    Line line;
    for (size_t i = 0; i < columns_.size(); ++i) {
        const std::string gap = i == 0 ? "" : " ";
        const Style style =
            selected && cells[i].style == Style::Plain ? Style::Selected : cells[i].style;
        const Style between = selected ? Style::Selected : Style::Plain;
        line.push_back({gap, between});
        line.push_back({padded(cells[i].text, i), style});
    }
    lines_.push_back(std::move(line));
}

void Table::finish(size_t height, std::vector<Line>& lines) {
    lines_.resize(height);
    lines.insert(lines.end(), lines_.begin(), lines_.end());
}

}  // namespace dlb::ctl
