#include "net/memory.hpp"

#include <sys/mman.h>

namespace dlb {

ZeroedMemory allocate_pages(size_t size) {
    void* pages = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pages == MAP_FAILED) {
        return {nullptr, [](void*) {}};
    }
    madvise(pages, size, MADV_HUGEPAGE);
    return {pages, [size](void* memory) { munmap(memory, size); }};
}

}  // namespace dlb
