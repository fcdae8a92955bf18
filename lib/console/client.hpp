// The console in a terminal: dpdk-lbctl, and `dpdk-lb -i` on a thread of its own, by the same
// socket.
//
// Exit statuses: 0 done; 1 it failed, or no dpdk-lb answers; 2 a command that does not parse.
// Thread safety: blocking; any one thread but the one that runs the server.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "console/terminal.hpp"
#include "net/result.hpp"

namespace dlb {

// The socket to use when none is given: lb1.sock of `directory`, else the only *.sock there.
Result<std::string> default_console_socket(const std::string& directory = "/run/dpdk-lb");

struct ClientSettings {
    bool json = false;  // answers as JSON documents
    ColorWhen color = ColorWhen::Auto;
    bool paging = true;  // on a terminal, answers longer than the screen go through a pager
    // The full-screen view of `top`, by the path of the socket; its exit status. None: no such
    // view.
    std::function<int(const std::string& socket, double seconds)> top = {};
};

// Runs one command and prints its answer: text, or with `json` one JSON document, on standard
// output, an error as one line on standard error. Returns the exit status.
int run_once(const std::string& socket, const ClientSettings& settings,
             const std::vector<std::string>& words);

struct InteractiveOptions {
    std::string prompt = {};  // "": "dpdk-lb(NAME)> " with the name that the daemon tells
    // `dpdk-lb -i`: Ctrl-C is the daemon's SIGINT, and that the server stops is no error.
    bool in_daemon = false;
};

// Reads commands from standard input until its end, `quit`, or until the server closes the socket.
// A terminal gets line editing, history, Tab and `?`, and the status is 0 unless dpdk-lb goes away.
// Otherwise the lines are run one after the other, '#' starts a comment line, an error names its
// line and does not end the run, and the status is the first that was not 0.
int run_interactive(const std::string& socket, const ClientSettings& settings,
                    const InteractiveOptions& options = {});

}  // namespace dlb
