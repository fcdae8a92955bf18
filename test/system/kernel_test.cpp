// Tests of lib/kernel against the kernel itself, with iproute2 as the independent oracle. Needs
// root: exits with 77 (skipped) without, and fails where root cannot make a network namespace.
#include <cerrno>
#include <cstdio>
#include <cstring>

#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    if (geteuid() != 0) {
        std::puts("skipped: run as root, these tests make network namespaces and interfaces");
        return 77;
    }
    if (unshare(CLONE_NEWNET) != 0) {
        std::printf("root may not make network namespaces here (%s): give CAP_SYS_ADMIN\n",
                    std::strerror(errno));
        return 1;
    }
    return RUN_ALL_TESTS();
}
