// Privileges: root is given up once everything is open.
//
// The process goes on as `user`, or as who started it, with the capabilities of
// capabilities_to_run() and no others; neither it nor a program that it starts gets any back
// (bounding set, no_new_privs). Thread safety: the main thread's.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "config/config.hpp"
#include "net/result.hpp"

namespace dlb {

struct Account {
    std::string name;
    uid_t uid = 0;
    gid_t gid = 0;
    std::vector<gid_t> groups;
};

// Of [lb] user; none for "". An Error says that there is no such user.
Result<std::optional<Account>> find_account(const std::string& user);

// In every thread. An Error leaves some threads with and some without: the process is to end.
Result<void> drop_privileges(const Config& config, const std::optional<Account>& account);

// What this process, as it is now, cannot do later, a line each with its mend.
std::vector<std::string> missing_access(const Config& config, const std::string& config_file);

}  // namespace dlb
