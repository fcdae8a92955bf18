// TextTable: aligned columns for people, from the same JSON that programs get.
//
// Shapes: a cell may hold several lines; widths count UTF-8 code points. Control characters in a
// cell print as '?', so that no text from outside can drive the terminal. Thread safety: a plain
// value.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace dlb {

using Json = nlohmann::ordered_json;  // keys print in the order they were written in

enum class CellFormat {
    Text,  // null: "-"; arrays in lines of about 70 columns: "80, 443"
    List,  // arrays in lines of about 20 columns
    Count,
    Bytes,
    PacketRate,
    BitRate,
    Share,    // 0..1 as a percentage
    Decimal,  // one place after the point
    YesNo,
    Duration,  // milliseconds
};

struct TableColumn {
    std::string header;
    std::string key;  // of each row's JSON object
    CellFormat format = CellFormat::Text;
};

class TextTable {
  public:
    enum class Align { Left, Right };
    struct Header {
        std::string text;
        Align align = Align::Left;
    };

    explicit TextTable(std::vector<Header> headers) : headers_(std::move(headers)) {}

    // A row may be shorter than the header.
    void add_row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
    // No header line where every header is empty. Ends with a newline; "" without rows and headers.
    std::string to_string() const;

  private:
    std::vector<Header> headers_;
    std::vector<std::vector<std::string>> rows_;
};

std::string format_cell(const Json& value, CellFormat format);

// A table of an array of objects; `empty` is the line for none.
std::string render_table(const Json& rows, const std::vector<TableColumn>& columns,
                         std::string_view empty);

// One object as "label  value" lines.
std::string render_object(const Json& object, const std::vector<TableColumn>& fields);

// Control characters other than newline as '?'.
std::string printable(std::string_view text);

}  // namespace dlb
