// Writes the manual pages, from the tables that the programs themselves go by.
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <string>

#include "pages.hpp"

namespace {

// SOURCE_DATE_EPOCH (https://reproducible-builds.org) or today.
std::string date() {
    const char* epoch = std::getenv("SOURCE_DATE_EPOCH");
    const std::time_t now =
        epoch != nullptr ? std::strtoll(epoch, nullptr, 10) : std::time(nullptr);
    std::tm utc{};
    char text[16] = "";
    ::gmtime_r(&now, &utc);
    std::strftime(text, sizeof text, "%Y-%m-%d", &utc);
    return text;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fputs("usage: manual DIRECTORY\n", stderr);
        return 2;
    }
    for (const auto& [name, text] : dlb::manual::pages(date())) {
        const std::string path = std::string(argv[1]) + '/' + name;
        std::ofstream file(path);
        file << text;
        if (!file.flush()) {
            std::fprintf(stderr, "%s: cannot be written\n", path.c_str());
            return 1;
        }
    }
    return 0;
}
