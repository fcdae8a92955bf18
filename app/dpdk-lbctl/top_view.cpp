#include "top_view.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "console/paint.hpp"
#include "console/terminal.hpp"
#include "console/units.hpp"
#include "top_table.hpp"

namespace dlb::ctl {

namespace {

constexpr size_t kLeastWidth = 40, kLeastHeight = 8;
constexpr std::ptrdiff_t kFar = 1 << 30;

Style style_of(const std::string& state) {
    switch (hue_of_state(state)) {
        case Hue::Green:
            return Style::Green;
        case Hue::Yellow:
            return Style::Yellow;
        case Hue::Red:
            return Style::Red;
        case Hue::None:
            break;
    }
    return Style::Plain;
}

Line cut(Line line, size_t width) {
    for (Span& span : line) {
        span.text = cut_line(span.text, width);
        width -= std::min(width, text_width(span.text));
    }
    return line;
}

// Rates a second without a unit: "14.88 M".
std::string rate(double value) {
    std::string text = human_rate(value, "");
    text.erase(text.find_last_not_of(' ') + 1);
    return text;
}

bool contains(const ServiceRow& row, const std::string& filter) {
    return row.name.find(filter) != std::string::npos || row.vip.find(filter) != std::string::npos;
}

// Most first; NaN last.
template <typename Row, typename Key>
auto most_first(Key key) {
    return [key](const Row* a, const Row* b) {
        const auto x = static_cast<double>(key(*a)), y = static_cast<double>(key(*b));
        return !std::isnan(x) && (std::isnan(y) || x > y);
    };
}

template <typename Row, typename Compare>
void sort_rows(std::vector<const Row*>& rows, Compare compare, bool reversed) {
    std::stable_sort(rows.begin(), rows.end(), [&](const Row* a, const Row* b) {
        return reversed ? compare(b, a) : compare(a, b);
    });
}

template <typename Row>
std::vector<const Row*> pointers(const std::vector<Row>& rows) {
    std::vector<const Row*> all;
    all.reserve(rows.size());
    for (const Row& row : rows) {
        all.push_back(&row);
    }
    return all;
}

// How many of `room` lines each of two panels gets that want `a` and `b`.
std::pair<size_t, size_t> share(size_t room, size_t a, size_t b) {
    if (a + b <= room) {
        return {a, room - a};
    }
    const size_t half = room / 2;
    const size_t first = a <= half ? a : b <= room - half ? room - b : half;
    return {first, room - first};
}

}  // namespace

bool TopView::press(char character) {
    if (typing_) {
        filter_ += static_cast<unsigned char>(character) >= ' ' ? std::string(1, character) : "";
        return true;
    }
    switch (character) {
        case 'q':
        case 'Q':
            return false;
        case 's':
            ++focused().sort;
            break;
        case 'r':
            focused().reversed = !focused().reversed;
            break;
        case '/':
            typing_ = true;
            focus_ = Panel::Services;
            break;
        case 'j':
            move(1);
            break;
        case 'k':
            move(-1);
            break;
        default:
            break;
    }
    return true;
}

void TopView::press(TopKey key) {
    const auto page = static_cast<std::ptrdiff_t>(std::max<size_t>(1, focused().rows));
    switch (key) {
        case TopKey::Up:
            return move(-1);
        case TopKey::Down:
            return move(1);
        case TopKey::PageUp:
            return move(-page);
        case TopKey::PageDown:
            return move(page);
        case TopKey::Home:
            return move(-kFar);
        case TopKey::End:
            return move(kFar);
        case TopKey::Next:
        case TopKey::Previous: {
            const size_t step = key == TopKey::Next ? 1 : kPanels - 1;
            focus_ = static_cast<Panel>((static_cast<size_t>(focus_) + step) % kPanels);
            break;
        }
        case TopKey::Enter:
            typing_ = false;
            break;
        case TopKey::Escape:
            typing_ = false;
            filter_.clear();
            break;
        case TopKey::Erase:
            if (typing_ && !filter_.empty()) {
                filter_.pop_back();
            }
            break;
    }
}

// Services have a cursor; the others scroll.
void TopView::move(std::ptrdiff_t rows) {
    if (focus_ == Panel::Services) {
        moved_ = std::clamp(moved_ + rows, -kFar, kFar);
        chosen_ = rows != -kFar;
        return;
    }
    const auto first = static_cast<std::ptrdiff_t>(focused().first);
    focused().first = static_cast<size_t>(std::clamp<std::ptrdiff_t>(first + rows, 0, kFar));
}

std::vector<Line> TopView::compose(const TopModel& model, size_t width, size_t height) {
    std::vector<Line> lines;
    if (width < kLeastWidth || height < kLeastHeight) {
        lines.push_back(
            cut({{fmt::format("top needs {} x {}", kLeastWidth, kLeastHeight)}}, width));
        return lines;
    }
    heading(model, width, lines);
    const size_t body = height - lines.size() - 1;
    const size_t of_workers = 1 + std::min(model.workers.size(), std::max<size_t>(1, body / 4));
    const auto [of_services, of_backends] =
        share(body - of_workers, 1 + model.services.size(), 1 + model.backends.size());
    services(model, width, of_services, lines);
    backends(model, width, of_backends, lines);
    workers(model, width, of_workers, lines);
    lines.push_back(footer(width));
    return lines;
}

void TopView::heading(const TopModel& model, size_t width, std::vector<Line>& lines) const {
    const std::string left = fmt::format("dpdk-lb {}  {}  up {}", model.name, model.version,
                                         human_duration(model.uptime_s));
    const std::string right = fmt::format("every {:g}s  {}", seconds, clock);
    const size_t gap = width - std::min(width, text_width(left) + text_width(right));
    lines.push_back(
        cut({{left, Style::Bold}, {std::string(std::max<size_t>(1, gap), ' ')}, {right}}, width));

    const TopTotals& totals = model.totals;
    lines.push_back(
        cut({{fmt::format("RX {}  {}   TX {}  {}", human_rate(totals.rx_pps, "pps"),
                          human_rate(totals.rx_bps, "bps"), human_rate(totals.tx_pps, "pps"),
                          human_rate(totals.tx_bps, "bps"))}},
            width));
    if (!message.empty()) {
        lines.push_back(cut({{message, Style::Red}}, width));
        return;
    }
    const bool drops = totals.drops > 0;
    std::string worst;
    if (!totals.worst_drop.empty()) {
        worst = fmt::format(" (most: {} {}/s)", totals.worst_drop, rate(totals.worst_drops));
    }
    lines.push_back(cut({{fmt::format("new flows {}/s   ", rate(totals.new_flows))},
                         {fmt::format("drops {}/s{}", rate(totals.drops), worst),
                          drops ? Style::Yellow : Style::Plain}},
                        width));
}

void TopView::services(const TopModel& model, size_t width, size_t height,
                       std::vector<Line>& lines) {
    static const std::vector<Column> kColumns = {
        {"SERVICE", 12, false, 32}, {"VIP", 15, false, 60}, {"MODE", 5, false}, {"UP", 7, true},
        {"PACKETS/S", 10, true},    {"BITS/S", 9, true},    {"NEW/S", 9, true}};
    static constexpr std::array<size_t, 5> kSorts = {4, 5, 6, 3, 0};  // columns
    Place& place = places_[static_cast<size_t>(Panel::Services)];
    place.sort %= kSorts.size();
    std::vector<const ServiceRow*> rows;
    for (const ServiceRow& row : model.services) {
        if (contains(row, filter_)) {
            rows.push_back(&row);
        }
    }
    sort_rows(
        rows, [](const auto* a, const auto* b) { return a->name < b->name; },
        kSorts[place.sort] == 0 && place.reversed);
    switch (kSorts[place.sort]) {
        case 4:
            sort_rows(rows, most_first<ServiceRow>([](const auto& r) { return r.pps; }),
                      place.reversed);
            break;
        case 5:
            sort_rows(rows, most_first<ServiceRow>([](const auto& r) { return r.bps; }),
                      place.reversed);
            break;
        case 6:
            sort_rows(rows, most_first<ServiceRow>([](const auto& r) { return r.cps; }),
                      place.reversed);
            break;
        case 3:  // fewest first: they are in trouble
            sort_rows(
                rows, [](const auto* a, const auto* b) { return a->up < b->up; }, place.reversed);
            break;
        default:
            break;
    }
    const auto at = std::find_if(rows.begin(), rows.end(), [&](const auto* row) {
        return chosen_ && row->name == selected_;
    });
    auto cursor = at == rows.end() ? 0 : at - rows.begin();
    if (!rows.empty()) {
        cursor = std::clamp<std::ptrdiff_t>(cursor + std::exchange(moved_, 0), 0,
                                            static_cast<std::ptrdiff_t>(rows.size()) - 1);
        selected_ = rows[static_cast<size_t>(cursor)]->name;
    } else {
        selected_.clear();
    }
    place.rows = height - 1;
    place.first = std::min(place.first, static_cast<size_t>(cursor));
    place.first = std::max(place.first + place.rows, static_cast<size_t>(cursor) + 1) - place.rows;

    Table table(kColumns, width);
    table.heading(filter_.empty() ? "SERVICE" : "SERVICE /" + filter_, kSorts[place.sort],
                  focus_ == Panel::Services, rows.size(), place.rows);
    for (size_t i = place.first; i < rows.size() && i < place.first + place.rows; ++i) {
        const ServiceRow& row = *rows[i];
        const Style up = row.up == 0             ? Style::Red
                         : row.up < row.backends ? Style::Yellow
                                                 : Style::Plain;
        table.row({{row.name},
                   {row.vip},
                   {row.mode},
                   {fmt::format("{}/{}", row.up, row.backends), up},
                   {rate(row.pps)},
                   {rate(row.bps)},
                   {rate(row.cps)}},
                  static_cast<std::ptrdiff_t>(i) == cursor);
    }
    table.finish(height, lines);
}

void TopView::backends(const TopModel& model, size_t width, size_t height,
                       std::vector<Line>& lines) {
    static const std::vector<Column> kColumns = {
        {"BACKEND", 24, false, 60}, {"STATE", 8, false}, {"HEALTH", 7, false, 24},
        {"WEIGHT", 6, true},        {"CONNS", 8, true},  {"PACKETS/S", 10, true},
        {"BITS/S", 9, true}};
    static constexpr std::array<size_t, 4> kSorts = {5, 6, 4, 0};
    Place& place = places_[static_cast<size_t>(Panel::Backends)];
    place.sort %= kSorts.size();
    // Those of a service that is no longer selected are of no use.
    std::vector<const BackendRow*> rows;
    if (model.backends_of == selected_) {
        rows = pointers(model.backends);
    }
    switch (kSorts[place.sort]) {
        case 5:
            sort_rows(rows, most_first<BackendRow>([](const auto& r) { return r.pps; }),
                      place.reversed);
            break;
        case 6:
            sort_rows(rows, most_first<BackendRow>([](const auto& r) { return r.bps; }),
                      place.reversed);
            break;
        case 4:
            sort_rows(rows, most_first<BackendRow>([](const auto& r) { return r.connections; }),
                      place.reversed);
            break;
        default:
            sort_rows(
                rows, [](const auto* a, const auto* b) { return a->address < b->address; },
                place.reversed);
            break;
    }
    place.rows = height - 1;
    place.first = std::min(place.first, rows.size() - std::min(rows.size(), place.rows));
    Table table(kColumns, width);
    table.heading(selected_.empty() ? "BACKEND" : "BACKEND OF " + selected_, kSorts[place.sort],
                  focus_ == Panel::Backends, rows.size(), place.rows);
    for (size_t i = place.first; i < rows.size() && i < place.first + place.rows; ++i) {
        const BackendRow& row = *rows[i];
        table.row({{row.address},
                   {row.state, style_of(row.state)},
                   {row.health, style_of(row.health)},
                   {std::to_string(row.weight)},
                   {std::to_string(row.connections)},
                   {rate(row.pps)},
                   {rate(row.bps)}},
                  false);
    }
    table.finish(height, lines);
}

void TopView::workers(const TopModel& model, size_t width, size_t height,
                      std::vector<Line>& lines) {
    static const std::vector<Column> kColumns = {
        {"WORKER", 8, false, 24}, {"CORE", 4, true}, {"STATE", 8, false}, {"PACKETS/S", 10, true},
        {"CYCLES/PKT", 10, true}, {"BUSY", 6, true}, {"FLOWS", 10, true}, {"LAG", 4, true}};
    static constexpr std::array<size_t, 3> kSorts = {0, 3, 5};
    Place& place = places_[static_cast<size_t>(Panel::Workers)];
    place.sort %= kSorts.size();
    std::vector<const WorkerRow*> rows = pointers(model.workers);
    if (kSorts[place.sort] == 3) {
        sort_rows(rows, most_first<WorkerRow>([](const auto& r) { return r.pps; }), place.reversed);
    } else if (kSorts[place.sort] == 5) {
        sort_rows(rows, most_first<WorkerRow>([](const auto& r) { return r.busy; }),
                  place.reversed);
    } else if (place.reversed) {
        std::reverse(rows.begin(), rows.end());
    }
    place.rows = height - 1;
    place.first = std::min(place.first, rows.size() - std::min(rows.size(), place.rows));
    Table table(kColumns, width);
    table.heading("WORKER", kSorts[place.sort], focus_ == Panel::Workers, rows.size(), place.rows);
    for (size_t i = place.first; i < rows.size() && i < place.first + place.rows; ++i) {
        const WorkerRow& row = *rows[i];
        const std::string state = row.running ? "running" : "stopped";
        table.row({{row.id},
                   {row.core},
                   {state, style_of(state)},
                   {rate(row.pps)},
                   {fmt::format("{:.1f}", row.cycles)},
                   {fmt::format("{:.1f}%", row.busy * 100)},
                   {std::to_string(row.flows)},
                   {std::to_string(row.lag), row.lag > 1 ? Style::Yellow : Style::Plain}},
                  false);
    }
    table.finish(height, lines);
}

Line TopView::footer(size_t width) const {
    if (typing_) {
        return cut(
            {{"filter: " + filter_ + "_", Style::Bold}, {"   Enter keeps it, Esc shows all"}},
            width);
    }
    return cut({{"q quit  Tab panel  arrows move  s sort  r reverse  / filter"},
                {filter_.empty() ? "" : "  Esc shows all"}},
               width);
}

}  // namespace dlb::ctl
