// The files that DPDK keeps its hugepages in where other processes (dpdk-dumpcap) may attach to it.
// They do not go with the process: a clean end removes them, and what a killed one left goes at the
// next start. Thread safety: any one thread.
#pragma once

#include <cstdint>
#include <string>

namespace dlb {

// There is a hugetlbfs for pages of the kernel's usual size.
bool hugepage_files_possible();

// How many pages lie in files of that EAL file prefix which no process holds: they are free at the
// next start.
uint64_t abandoned_hugepages(const std::string& prefix);

// Removes the files of that EAL file prefix which no process holds; with `held`, those too.
void remove_hugepage_files(const std::string& prefix, bool held);

}  // namespace dlb
