#include "metrics/families.hpp"

#include <algorithm>
#include <iterator>
#include <sstream>

#include <prometheus/text_serializer.h>

namespace dlb {

namespace {

void set_value(prometheus::ClientMetric& sample, prometheus::MetricType type, double value) {
    if (type == prometheus::MetricType::Counter) {
        sample.counter.value = value;
    } else {
        sample.gauge.value = value;
    }
}

// The samples behind the # HELP and # TYPE lines.
std::string_view without_head(std::string_view text) {
    while (text.starts_with('#')) {
        text.remove_prefix(text.find('\n') + 1);
    }
    return text;
}

void append(Pieces& pieces, std::string_view text) {
    if (pieces.empty() || pieces.back().size() + text.size() > kPieceSize) {
        pieces.emplace_back().reserve(std::max(text.size(), kPieceSize));
    }
    pieces.back() += text;
}

}  // namespace

Exposition::Exposition() {
    families_.reserve(kMetricCount);
    for (const MetricInfo& info : kMetrics) {
        families_.push_back({info.name, info.help, info.type, {}});
    }
}

void Exposition::add(Metric metric, Labels labels, double value) {
    prometheus::MetricFamily& family = families_[static_cast<size_t>(metric)];
    prometheus::ClientMetric& sample = family.metric.emplace_back();
    sample.label.reserve(labels.size());
    for (const auto& [name, text] : labels) {
        sample.label.push_back({name, std::string(text)});
    }
    set_value(sample, family.type, value);
}

void Exposition::serialize() {
    const prometheus::TextSerializer serializer;
    std::vector<prometheus::MetricFamily> one(1);
    for (size_t i = 0; i < kMetricCount; ++i) {
        if (families_[i].metric.empty()) {
            continue;
        }
        std::swap(one[0], families_[i]);
        std::ostringstream out;
        serializer.Serialize(out, one);
        const std::string text = out.str();
        append(texts_[i], texts_[i].empty() ? std::string_view(text) : without_head(text));
        one[0].metric.clear();
        std::swap(one[0], families_[i]);
    }
}

Pieces Exposition::take() {
    serialize();
    // Small families share a piece; those of several are moved, not copied.
    Pieces all;
    for (Pieces& text : texts_) {
        if (text.size() == 1) {
            append(all, text.front());
        } else {
            std::move(text.begin(), text.end(), std::back_inserter(all));
        }
        text.clear();
    }
    return all;
}

}  // namespace dlb
