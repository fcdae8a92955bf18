#include "options.hpp"

#include <algorithm>
#include <sstream>

#include <boost/program_options.hpp>

namespace dlb::ctl {

namespace po = boost::program_options;

namespace {

struct Words {
    std::vector<std::string> options;  // of dpdk-lbctl, up to the command's first word
    std::vector<std::string> command;
    bool json = false;  // wherever it stands
};

Words split(int argc, char** argv) {
    Words words;
    bool value_follows = false;
    for (int i = 1; i < argc; ++i) {
        const std::string word = argv[i];
        if (!words.command.empty() || (!value_follows && !word.starts_with('-'))) {
            words.command.push_back(word);
            continue;
        }
        if (!value_follows && word == "--") {
            words.command.insert(words.command.end(), argv + i + 1, argv + argc);
            break;
        }
        value_follows = !value_follows && (word == "-s" || word == "--socket" || word == "--color");
        words.options.push_back(word);
    }
    words.json = std::erase(words.command, "--json") > 0;
    return words;
}

}  // namespace

po::options_description describe_options() {
    po::options_description options("Options");
    options.add_options()(
        "socket,s", po::value<std::string>()->value_name("SOCKET"),
        "the daemon's socket (default: /run/dpdk-lb/lb1.sock, or the only one there)")  //
        ("json", "answer with one JSON document")                                       //
        ("color", po::value<std::string>()->value_name("WHEN"),
         "colours: auto (on a terminal, unless NO_COLOR is set), always or never")  //
        ("no-pager", "print long answers as they are, without $PAGER")              //
        ("help,h", "show this text")                                                //
        ("version", "show the version");
    return options;
}

std::string usage() {
    std::ostringstream text;
    text << "Usage: dpdk-lbctl [-s SOCKET] [--json] [COMMAND...]\n\n"
            "Asks or changes a running dpdk-lb. \"dpdk-lbctl help\" lists the commands.\n"
            "Without a command it is interactive; a script is read from standard input,\n"
            "a command a line, and the exit status is the first that is not 0.\n\n"
         << describe_options()
         << "\nExit status: 0 done; 1 it failed, or no dpdk-lb answers; 2 the command line or\n"
            "the command is wrong.\n";
    return text.str();
}

Result<Options> parse_options(int argc, char** argv) {
    const Words words = split(argc, argv);
    po::variables_map given;
    try {
        po::store(po::command_line_parser(words.options).options(describe_options()).run(), given);
    } catch (const po::error& e) {
        return Error{std::string(e.what()) + ": \"dpdk-lbctl --help\" shows the options"};
    }
    Options options;
    options.help = given.count("help") > 0;
    options.version = given.count("version") > 0;
    options.settings.json = words.json || given.count("json") > 0;
    options.settings.paging = given.count("no-pager") == 0;
    options.command = words.command;
    if (given.count("socket") > 0) {
        options.socket = given["socket"].as<std::string>();
    }
    if (given.count("color") > 0) {
        const auto& when = given["color"].as<std::string>();
        const auto color = parse_color_when(when);
        if (!color) {
            return Error{"--color: '" + when + "' is no choice; give auto, always or never"};
        }
        options.settings.color = *color;
    }
    return options;
}

}  // namespace dlb::ctl
