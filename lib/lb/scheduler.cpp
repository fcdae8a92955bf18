#include "lb/scheduler.hpp"

namespace dlb {

Scheduler::Scheduler(unsigned worker, unsigned workers)
    : worker_(worker),
      workers_(workers),
      memory_(allocate_pages(sizeof(uint32_t) * 2 * kMaxServices)),
      random_(next_hash(worker + 1)) {}

}  // namespace dlb
