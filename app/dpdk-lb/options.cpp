#include "options.hpp"

#include <algorithm>
#include <sstream>

#include <boost/program_options.hpp>

namespace dlb {

namespace po = boost::program_options;

po::options_description describe_options() {
    po::options_description options("Options");
    options.add_options()                                                                         //
        ("config,c", po::value<std::string>()->value_name("FILE"), "the configuration, lb.toml")  //
        ("interactive,i", "a console on this terminal")                                           //
        ("check", "validate the file and the machine, start nothing")                             //
        ("dump-config", "print the effective configuration as TOML")                              //
        ("log-level", po::value<std::string>()->value_name("L"),
         "error, warn, info or debug; overrides the file's")  //
        ("version", "print the version")                      //
        ("help,h", "print this help");
    return options;
}

namespace {

std::string make_help(const po::options_description& options) {
    std::ostringstream text;
    text << "Usage: dpdk-lb -c lb.toml [options] [-- EAL options]\n\n"
            "A layer-4 load balancer on DPDK.\n\n"
         << options
         << "\nExit status: 0 done, 1 failed while running, 2 the command line or the "
            "configuration is wrong.\n";
    return text.str();
}

}  // namespace

Result<Options> parse_options(int argc, char** argv) {
    const po::options_description description = describe_options();
    Options options;
    options.help_text = make_help(description);
    char** end = argv + argc;
    char** separator = std::find(argv, end, std::string("--"));
    if (separator != end) {
        options.eal.assign(separator + 1, end);
    }
    po::variables_map given;
    try {
        const std::vector<std::string> words(argv + std::min(argc, 1), separator);
        po::store(po::command_line_parser(words)
                      .options(description)
                      .positional(po::positional_options_description())
                      .run(),
                  given);
        po::notify(given);
    } catch (const po::error& error) {
        return Error{std::string(error.what()) + "; `dpdk-lb --help` lists the options"};
    }
    options.help = given.count("help") != 0;
    options.version = given.count("version") != 0;
    options.interactive = given.count("interactive") != 0;
    options.check = given.count("check") != 0;
    options.dump_config = given.count("dump-config") != 0;
    if (given.count("log-level") != 0) {
        const auto& name = given["log-level"].as<std::string>();
        options.log_level = parse_log_level(name);
        if (!options.log_level) {
            return Error{"--log-level: '" + name +
                         "' is no level; give error, warn, info or debug"};
        }
    }
    if (given.count("config") != 0) {
        options.config_file = given["config"].as<std::string>();
    } else if (!options.help && !options.version) {
        return Error{"no configuration; give -c lb.toml"};
    }
    return options;
}

}  // namespace dlb
