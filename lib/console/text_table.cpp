#include "console/text_table.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "console/units.hpp"

namespace dlb {

namespace {

constexpr size_t kGap = 2;         // between columns
constexpr size_t kListWidth = 20;  // of the lines of a List cell
constexpr size_t kTextWidth = 70;  // of an array in a Text cell

size_t width_of(std::string_view text) {
    return static_cast<size_t>(std::count_if(
        text.begin(), text.end(), [](char c) { return (static_cast<uint8_t>(c) & 0xc0) != 0x80; }));
}

std::vector<std::string_view> lines_of(std::string_view text) {
    std::vector<std::string_view> lines;
    for (size_t end; (end = text.find('\n')) != std::string_view::npos;
         text.remove_prefix(end + 1)) {
        lines.push_back(text.substr(0, end));
    }
    lines.push_back(text);
    return lines;
}

void append_line(std::string& out, const std::vector<TextTable::Header>& headers,
                 const std::vector<size_t>& widths, const std::vector<std::string_view>& cells) {
    std::string line;
    for (size_t i = 0; i < cells.size(); ++i) {
        const std::string padding(widths[i] - width_of(cells[i]), ' ');
        const bool right = headers[i].align == TextTable::Align::Right;
        line += fmt::format("{}{}{}{}", i > 0 ? std::string(kGap, ' ') : "", right ? padding : "",
                            cells[i], right ? "" : padding);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + '\n';
}

std::string scalar_text(const Json& value) {
    if (value.is_null()) {
        return "-";
    }
    return value.is_string() ? value.get<std::string>() : value.dump();
}

std::string list_text(const Json& values, size_t width) {
    std::string text;
    size_t column = 0;
    for (const Json& value : values) {
        const std::string item = scalar_text(value);
        if (!text.empty()) {
            const bool wrap = column + item.size() + 2 > width;
            text += wrap ? ",\n" : ", ";
            column = wrap ? 0 : column + 2;
        }
        text += item;
        column += item.size();
    }
    return text;
}

bool is_right_aligned(CellFormat format) {
    return format != CellFormat::Text && format != CellFormat::List && format != CellFormat::YesNo;
}

}  // namespace

std::string printable(std::string_view text) {
    std::string clean(text);
    std::replace_if(
        clean.begin(), clean.end(),
        [](char c) { return (static_cast<uint8_t>(c) < 0x20 && c != '\n') || c == 0x7f; }, '?');
    return clean;
}

std::string TextTable::to_string() const {
    std::vector<size_t> widths;
    std::vector<std::string_view> titles;
    for (const Header& header : headers_) {
        widths.push_back(width_of(header.text));
        titles.push_back(header.text);
    }
    std::vector<std::vector<std::string>> rows = rows_;
    for (auto& row : rows) {
        row.resize(headers_.size());
        for (size_t i = 0; i < row.size(); ++i) {
            row[i] = printable(row[i]);
            for (const std::string_view line : lines_of(row[i])) {
                widths[i] = std::max(widths[i], width_of(line));
            }
        }
    }
    std::string out;
    if (std::any_of(titles.begin(), titles.end(), [](auto title) { return !title.empty(); })) {
        append_line(out, headers_, widths, titles);
    }
    for (const auto& row : rows) {
        std::vector<std::vector<std::string_view>> columns;
        columns.reserve(row.size());
        size_t height = 1;
        for (const std::string& cell : row) {
            columns.push_back(lines_of(cell));
            height = std::max(height, columns.back().size());
        }
        for (size_t y = 0; y < height; ++y) {
            std::vector<std::string_view> cells;
            cells.reserve(columns.size());
            for (const auto& column : columns) {
                cells.push_back(y < column.size() ? column[y] : std::string_view());
            }
            append_line(out, headers_, widths, cells);
        }
    }
    return out;
}

std::string format_cell(const Json& value, CellFormat format) {
    if (value.is_null()) {
        return "-";
    }
    if (value.is_array()) {
        return list_text(value, format == CellFormat::List ? kListWidth : kTextWidth);
    }
    const bool number = value.is_number();
    switch (format) {
        case CellFormat::Bytes:
            return number ? human_bytes(value.get<uint64_t>()) : "-";
        case CellFormat::PacketRate:
            return number ? human_rate(value.get<double>(), "pps") : "-";
        case CellFormat::BitRate:
            return number ? human_rate(value.get<double>(), "bps") : "-";
        case CellFormat::Share:
            return number ? fmt::format("{:.1f}%", value.get<double>() * 100) : "-";
        case CellFormat::Decimal:
            return number ? fmt::format("{:.1f}", value.get<double>()) : "-";
        case CellFormat::Duration:
            return number ? human_duration(value.get<double>() / 1000) : "-";
        case CellFormat::YesNo:
            return value == true ? "yes" : "no";
        case CellFormat::Text:
        case CellFormat::List:
        case CellFormat::Count:
            break;
    }
    const std::string text = scalar_text(value);
    return text.empty() ? "-" : text;
}

std::string render_table(const Json& rows, const std::vector<TableColumn>& columns,
                         std::string_view empty) {
    if (rows.empty()) {
        return std::string(empty) + '\n';
    }
    std::vector<TextTable::Header> headers;
    headers.reserve(columns.size());
    for (const TableColumn& column : columns) {
        headers.push_back({column.header, is_right_aligned(column.format)
                                              ? TextTable::Align::Right
                                              : TextTable::Align::Left});
    }
    TextTable table(std::move(headers));
    for (const Json& row : rows) {
        std::vector<std::string> cells;
        cells.reserve(columns.size());
        for (const TableColumn& column : columns) {
            cells.push_back(format_cell(row.at(column.key), column.format));
        }
        table.add_row(std::move(cells));
    }
    return table.to_string();
}

std::string render_object(const Json& object, const std::vector<TableColumn>& fields) {
    TextTable table({{}, {}});
    for (const TableColumn& field : fields) {
        table.add_row({field.header, format_cell(object.at(field.key), field.format)});
    }
    return table.to_string();
}

}  // namespace dlb
