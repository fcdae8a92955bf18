// The console's socket in the file system: made without a moment of wrong permissions, taken over
// from a daemon that died, never from one that lives. Thread safety: control thread only.
#pragma once

#include <optional>
#include <string>

#include <sys/types.h>

#include "net/result.hpp"

namespace dlb {

// A listening Unix stream socket and the identity of its file.
struct ListeningSocket {
    int fd = -1;  // the caller closes it
    dev_t device = 0;
    ino_t inode = 0;
};

struct SocketOwner {
    uid_t uid = 0;
    gid_t gid = 0;
};

// Mode 0600; a missing parent directory is made with 0755. Both are `owner`'s, which takes root.
// Errors name the path and the mend.
Result<ListeningSocket> listen_on_socket_file(const std::string& path,
                                              const std::optional<SocketOwner>& owner = {});

// Removes the file where it is still the one of `socket`.
void remove_socket_file(const std::string& path, const ListeningSocket& socket);

}  // namespace dlb
