// dpdk-lbctl: the console of a running dpdk-lb from another terminal.
#include <algorithm>
#include <clocale>
#include <iostream>
#include <string>
#include <vector>

#include <boost/program_options.hpp>

#include "console/client.hpp"

namespace po = boost::program_options;

namespace {

constexpr int kMisuse = 2;

struct CommandLine {
    std::vector<std::string> options;  // of dpdk-lbctl, up to the command's first word
    std::vector<std::string> command;  // its own options with it: reload --dry-run
    bool json = false;                 // wherever it stands
};

CommandLine split(int argc, char** argv) {
    CommandLine line;
    bool value_follows = false;
    for (int i = 1; i < argc; ++i) {
        const std::string word = argv[i];
        if (!line.command.empty() || (!value_follows && !word.starts_with('-'))) {
            line.command.push_back(word);
            continue;
        }
        if (!value_follows && word == "--") {
            line.command.insert(line.command.end(), argv + i + 1, argv + argc);
            break;
        }
        value_follows = !value_follows && (word == "-s" || word == "--socket");
        line.options.push_back(word);
    }
    line.json = std::erase(line.command, "--json") > 0;
    return line;
}

po::options_description describe_options() {
    po::options_description options("Options");
    options.add_options()(
        "socket,s", po::value<std::string>()->value_name("SOCKET"),
        "the daemon's socket (default: /run/dpdk-lb/lb1.sock, or the only one there)")(
        "json", "answer with one JSON document")("help,h", "show this text")("version",
                                                                             "show the version");
    return options;
}

void print_usage(const po::options_description& options) {
    std::cout
        << "Usage: dpdk-lbctl [-s SOCKET] [--json] [COMMAND...]\n\n"
           "Asks or changes a running dpdk-lb. \"dpdk-lbctl help\" lists the commands.\n"
           "Without a command it is interactive; a script is read from standard input,\n"
           "a command a line, and the exit status is the first that is not 0.\n\n"
        << options
        << "\nExit status: 0 done; 1 it failed, or no dpdk-lb answers; 2 the command line or\n"
           "the command is wrong.\n";
}

int fail(const std::string& error, int status) {
    std::cerr << "error: " << error << '\n';
    return status;
}

}  // namespace

int main(int argc, char** argv) {
    std::setlocale(LC_CTYPE, "");
    CommandLine line = split(argc, argv);
    const po::options_description options = describe_options();
    po::variables_map given;
    try {
        po::store(po::command_line_parser(line.options).options(options).run(), given);
    } catch (const po::error& e) {
        return fail(std::string(e.what()) + ": \"dpdk-lbctl --help\" shows the options", kMisuse);
    }
    if (given.count("help") > 0) {
        print_usage(options);
        return 0;
    }
    if (given.count("version") > 0) {
        std::cout << "dpdk-lbctl " << DPDK_LB_VERSION << '\n';
        return 0;
    }
    std::string socket;
    if (given.count("socket") > 0) {
        socket = given["socket"].as<std::string>();
    } else if (const auto found = dlb::default_console_socket(); found.ok()) {
        socket = found.value();
    } else {
        return fail(found.error(), kMisuse);
    }
    const bool json = line.json || given.count("json") > 0;
    return line.command.empty() ? dlb::run_interactive(socket, json)
                                : dlb::run_once(socket, json, line.command);
}
