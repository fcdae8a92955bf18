#include "control/privileges.hpp"

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "control/capabilities.hpp"
#include "control/every_thread.hpp"

namespace dlb {

namespace {

constexpr unsigned kLastCapability = 63;

struct Drop {
    const Account* account = nullptr;  // none: stay who we are
    CapabilitySet keep = 0;
};

// Without CAP_SETPCAP the bounding set stays; with no_new_privs nothing comes of it.
void limit_bounding_set(CapabilitySet keep) {
    for (unsigned capability = 0; capability <= kLastCapability; ++capability) {
        if ((keep & capabilities({capability})) == 0) {
            prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
        }
    }
}

// The system calls themselves: glibc's would go round all threads each.
int change_user(const Account& account) {
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0 ||
        syscall(SYS_setgroups, account.groups.size(), account.groups.data()) != 0 ||
        syscall(SYS_setresgid, account.gid, account.gid, account.gid) != 0 ||
        syscall(SYS_setresuid, account.uid, account.uid, account.uid) != 0) {
        return errno;
    }
    return prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) == 0 ? 0 : errno;
}

int keep_only(CapabilitySet keep) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2] = {};
    if (syscall(SYS_capget, &header, data) != 0) {
        return errno;
    }
    for (unsigned half = 0; half < 2; ++half) {
        data[half].permitted &= static_cast<uint32_t>(keep >> (32 * half));
        data[half].effective = data[half].permitted;
        data[half].inheritable = 0;
    }
    return syscall(SYS_capset, &header, data) == 0 ? 0 : errno;
}

// Runs in a signal handler: system calls only.
int drop_in_this_thread(const void* argument) {
    const Drop& drop = *static_cast<const Drop*>(argument);
    limit_bounding_set(drop.keep);
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (drop.account != nullptr) {
        if (const int error = change_user(*drop.account); error != 0) {
            return error;
        }
    }
    if (const int error = keep_only(drop.keep); error != 0) {
        return error;
    }
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? 0 : errno;
}

}  // namespace

Result<std::optional<Account>> find_account(const std::string& user) {
    if (user.empty()) {
        return std::optional<Account>();
    }
    const passwd* entry = getpwnam(user.c_str());
    if (entry == nullptr) {
        return Error{"lb.user: there is no user '" + user + "' here; create it with `useradd -r " +
                     user + "`, or name one that `getent passwd` lists"};
    }
    Account account{user, entry->pw_uid, entry->pw_gid, {}};
    int count = 0;
    getgrouplist(user.c_str(), account.gid, nullptr, &count);
    account.groups.resize(static_cast<size_t>(std::max(count, 1)), account.gid);
    if (getgrouplist(user.c_str(), account.gid, account.groups.data(), &count) < 0) {
        account.groups = {account.gid};
    }
    return std::optional<Account>(std::move(account));
}

Result<void> drop_privileges(const Config& config, const std::optional<Account>& account) {
    const bool change = account && (account->uid != geteuid() || account->uid == 0);
    const Drop drop{change ? &*account : nullptr, capabilities_to_run(config)};
    if (Result<void> dropped = in_every_thread(drop_in_this_thread, &drop); !dropped) {
        return Error{"cannot give up root: " + dropped.error() +
                     "; start dpdk-lb as root, with CAP_SETUID, CAP_SETGID and CAP_SETPCAP"};
    }
    return {};
}

std::vector<std::string> missing_access(const Config& config, const std::string& config_file) {
    std::vector<std::string> missing;
    const std::string who =
        config.lb.user.empty() ? "this user without capabilities" : "user '" + config.lb.user + "'";
    if (access(config_file.c_str(), R_OK) != 0) {
        missing.push_back(config_file + " cannot be read by " + who +
                          ": a reload will fail; run `chgrp` and `chmod g+r` on it for that user, "
                          "and let the user into its directories");
    }
    std::filesystem::path directory = std::filesystem::path(config.lb.socket).parent_path();
    if (directory.empty()) {
        directory = ".";
    }
    if (access(directory.c_str(), W_OK | X_OK) != 0) {
        missing.push_back(config.lb.socket + " cannot be removed at the end by " + who +
                          "; run `chown " + (config.lb.user.empty() ? "root" : config.lb.user) +
                          " " + directory.string() + "`, or choose another [lb] socket");
    }
    return missing;
}

}  // namespace dlb
