// Where big tables get their memory: plain pages, or the caller's hugepages.
// Thread safety: at set-up only, on one thread.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace dlb {

// Gives `size` zeroed bytes, 64-byte aligned, that free themselves; null when there is no room.
using ZeroedMemory = std::unique_ptr<void, std::function<void(void*)>>;
using Allocate = std::function<ZeroedMemory(size_t size)>;

// Pages of the process, touched only when used.
ZeroedMemory allocate_pages(size_t size);

}  // namespace dlb
