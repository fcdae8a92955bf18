// The command line of dpdk-lb.
// Thread safety: a plain value.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <boost/program_options/options_description.hpp>

#include "config/config.hpp"
#include "net/result.hpp"

namespace dlb {

struct Options {
    std::string config_file;
    bool interactive = false;
    bool check = false;
    bool dump_config = false;
    bool help = false;
    bool version = false;
    std::optional<LogLevel> log_level;
    std::vector<std::string> eal;  // what stands behind `--`
    std::string help_text;
};

boost::program_options::options_description describe_options();

// An Error names what is wrong with the command line.
Result<Options> parse_options(int argc, char** argv);

}  // namespace dlb
