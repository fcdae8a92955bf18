// xxHash, inlined: XXH3_64bits() and XXH64() for keys of a few dozen bytes.
// Thread safety: pure functions.
#pragma once

// Only the plain loops: keys never reach those for long input, whose AVX-512 form trips GCC 12's
// -Wuninitialized. The values are the same.
#define XXH_VECTOR 0
#define XXH_INLINE_ALL
#include <xxhash.h>  // IWYU pragma: export
