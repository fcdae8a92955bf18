// FlatMap: an open-addressing hash table that is filled once and then only read.
//
// Key: trivially copyable, without unset padding, equality by ==. At most half full, linear
// probing. Thread safety: reads from any thread once filled.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "net/flow_key.hpp"

namespace dlb {

template <typename Key, typename Value>
class FlatMap {
    static_assert(std::has_unique_object_representations_v<Key>);

  public:
    explicit FlatMap(size_t expected = 0) { reserve(expected); }

    // Inserts, or gives the value that is there.
    Value& operator[](const Key& key) {
        if ((count_ + 1) * 2 > cells_.size()) {
            reserve(count_ * 2 + 4);
        }
        Cell& cell = cells_[locate(key)];
        if (!cell.used) {
            cell = {key, Value{}, true};
            ++count_;
        }
        return cell.value;
    }
    const Value* find(const Key& key) const {
        if (count_ == 0) {
            return nullptr;
        }
        const Cell& cell = cells_[locate(key)];
        return cell.used ? &cell.value : nullptr;
    }
    size_t size() const { return count_; }
    bool empty() const { return count_ == 0; }

    template <typename Visitor>
    void for_each(Visitor visit) const {
        for (const Cell& cell : cells_) {
            if (cell.used) {
                visit(cell.key, cell.value);
            }
        }
    }

  private:
    struct Cell {
        Key key{};
        Value value{};
        bool used = false;
    };

    // The key's cell, or the free one where it would go.
    size_t locate(const Key& key) const {
        const size_t mask = cells_.size() - 1;
        size_t at = XXH3_64bits(&key, sizeof key) & mask;
        while (cells_[at].used && !(cells_[at].key == key)) {
            at = (at + 1) & mask;
        }
        return at;
    }
    void reserve(size_t expected) {
        std::vector<Cell> old = std::move(cells_);
        cells_ = std::vector<Cell>(std::bit_ceil(expected * 2 + 2));
        for (Cell& cell : old) {
            if (cell.used) {
                cells_[locate(cell.key)] = std::move(cell);
            }
        }
    }

    std::vector<Cell> cells_;
    size_t count_ = 0;
};

}  // namespace dlb
