// in_every_thread(): one function run in each thread of this process, by a signal.
//
// For what the kernel keeps a thread: capabilities, user ids, no_new_privs. libpsx does the same,
// but Debian's (2.66) knows only threads that its own pthread_create() made, and not those in
// DPDK's shared libraries. Threads made meanwhile by one that had its turn inherit from it.
// Thread safety: one caller at a time. No thread may block SIGRTMAX, and nobody else may use it.
#pragma once

#include "net/result.hpp"

namespace dlb {

// `action`: async-signal-safe; 0 or an errno. The caller's own turn comes last, where all others
// gave 0. Errors: a thread that does not answer, or the first errno; some had their turn then.
Result<void> in_every_thread(int (*action)(const void* argument), const void* argument);

}  // namespace dlb
