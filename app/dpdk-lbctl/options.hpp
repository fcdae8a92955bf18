// The command line of dpdk-lbctl.
// Thread safety: plain values.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <boost/program_options/options_description.hpp>

#include "console/client.hpp"
#include "net/result.hpp"

namespace dlb::ctl {

struct Options {
    std::optional<std::string> socket;  // none: the usual one
    bool help = false;
    bool version = false;
    ClientSettings settings;
    std::vector<std::string> command;  // its own options with it: reload --dry-run
};

boost::program_options::options_description describe_options();

// The text of --help.
std::string usage();

// An Error names what is wrong with the command line.
Result<Options> parse_options(int argc, char** argv);

}  // namespace dlb::ctl
