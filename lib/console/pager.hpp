// Long text through the user's pager.
// Thread safety: blocking; one thread (it sets the process's handling of SIGINT meanwhile).
#pragma once

#include <string>

namespace dlb {

// $PAGER, else "less -FRX" where there is less; "": none. "cat" is none too.
std::string pager_command();

// Shows `text` by that shell command until the user leaves it. False: it could not be run, and
// nothing was shown.
bool page(const std::string& command, const std::string& text);

}  // namespace dlb
