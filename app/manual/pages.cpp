#include "pages.hpp"

#include <boost/program_options/cmdline.hpp>
#include <boost/program_options/options_description.hpp>
#include <fmt/format.h>

#include "app/dpdk-lb/options.hpp"
#include "app/dpdk-lbctl/options.hpp"
#include "config/reference.hpp"
#include "console/command.hpp"
#include "roff.hpp"

namespace dlb::manual {

namespace {

void options_section(Page& page, const boost::program_options::options_description& options) {
    page.head("OPTIONS");
    for (const auto& option : options.options()) {
        const std::string longer = "--" + option->long_name();
        const std::string shorter = option->canonical_display_name(
            boost::program_options::command_line_style::allow_dash_for_short);
        const std::string value = option->format_parameter();
        const bool has_short = shorter.starts_with("-");
        page.item(fmt::format("{}{}{}{}", has_short ? shorter + ", " : "", longer,
                              value.empty() ? "" : " ", value),
                  option->description());
    }
}

std::string daemon_page(const std::string& date) {
    Page page("dpdk-lb", 8, date, "a layer-4 load balancer on DPDK");
    page.head("SYNOPSIS");
    page.line(
        "\\fBdpdk\\-lb\\fR \\fB\\-c\\fR \\fIlb.toml\\fR [\\fIoptions\\fR] [\\fB\\-\\-\\fR "
        "\\fIEAL options\\fR]");
    page.head("DESCRIPTION");
    page.line(
        escaped("dpdk-lb forwards TCP and UDP packets to the backends of its services. The "
                "file says which;\nlb.toml(5) describes it. dpdk-lbctl(1) looks at a running "
                "one and changes it."));
    page.paragraph("What follows -- goes to DPDK's environment abstraction layer as it is.");
    options_section(page, describe_options());
    page.head("SIGNALS");
    page.item("SIGHUP", "reload the file.");
    page.item(
        "SIGTERM, SIGINT",
        "drain: forward on for drain_time, then end with status 0. A second one ends at once.");
    page.head("EXIT STATUS");
    page.item("0", "done.");
    page.item("1", "it failed while running.");
    page.item("2",
              "the command line or the configuration is wrong. All errors of the file are "
              "printed, each with\nits line and its mend.");
    page.head("FILES");
    page.item("/run/dpdk-lb/NAME.sock", "the console's socket, for its owner alone.");
    page.head("SEE ALSO");
    page.line(escaped("dpdk-lbctl(1), lb.toml(5)"));
    return page.text();
}

void describe_argument(Page& page, const SyntaxToken& token, std::string& seen) {
    const std::string mark = ' ' + token.shown + ' ';
    if (token.is_argument() && seen.find(mark) == std::string::npos) {
        seen += mark;
        page.more(fmt::format("{}: {}.", token.shown, token.type->expect));
    }
}

void commands_section(Page& page) {
    const CommandTable& table = CommandTable::instance();
    page.head("COMMANDS");
    page.line(
        escaped("Keywords may be abbreviated as long as the line has one meaning. What stands "
                "in [ ] may be left\nout; groups come in any order."));
    for (size_t i = 0; i < table.commands().size(); ++i) {
        const Command& command = table.commands()[i];
        const CommandSyntax& syntax = table.syntaxes()[i];
        page.item(syntax.to_string(), std::string(command.help) + '.');
        std::string seen;
        for (const SyntaxToken& token : syntax.head) {
            describe_argument(page, token, seen);
        }
        for (const SyntaxGroup& group : syntax.groups) {
            for (const SyntaxToken& token : group.tokens) {
                describe_argument(page, token, seen);
            }
        }
        if (!command.details.empty()) {
            page.more(command.details);
        }
    }
}

std::string console_page(const std::string& date) {
    Page page("dpdk-lbctl", 1, date, "look at a running dpdk-lb and change it");
    page.head("SYNOPSIS");
    page.line(
        "\\fBdpdk\\-lbctl\\fR [\\fB\\-s\\fR \\fISOCKET\\fR] [\\fB\\-\\-json\\fR] "
        "[\\fICOMMAND\\fR...]");
    page.head("DESCRIPTION");
    page.line(
        escaped("With a command dpdk-lbctl runs it once. Without one it is interactive: Tab "
                "completes, ? tells what\nmay come next, Ctrl-R searches the history. Where "
                "standard input is no terminal, it reads a command a\nline; # starts a line "
                "of comment, and the status is the first that is not 0."));
    page.paragraph(
        "With --json an answer is one JSON document on standard output. Errors are one "
        "line on standard error.");
    options_section(page, ctl::describe_options());
    commands_section(page);
    page.head("EXIT STATUS");
    page.item("0", "done.");
    page.item("1", "it failed, or no dpdk-lb answers.");
    page.item("2", "the command line or the command is wrong.");
    page.head("ENVIRONMENT");
    page.item("PAGER",
              "shows answers longer than the screen, unless it is empty or cat. Default: "
              "less -FRX, where there is less.");
    page.item("NO_COLOR", "no colours, unless --color says always.");
    page.head("FILES");
    page.item("~/.dpdk-lb_history", "the interactive console's history.");
    page.head("SEE ALSO");
    page.line(escaped("dpdk-lb(8), lb.toml(5)"));
    return page.text();
}

constexpr std::string_view kExample = R"([[port]]
name    = "uplink"
device  = "net_af_packet0,iface=eth1"
address = ["10.0.0.106/24"]
gateway = ["10.0.0.1"]

[[service]]
name  = "web"
vip   = ["10.1.1.1"]
ports = [80, 443]

  [[service.backend]]
  address = "10.0.0.11")";

std::string file_page(const std::string& date) {
    Page page("lb.toml", 5, date, "the configuration of dpdk-lb");
    page.head("DESCRIPTION");
    page.line(
        escaped("One TOML file (https://toml.io) says everything. Keys that are not listed "
                "here are errors. Addresses are\nIPv4 or IPv6 everywhere."));
    page.paragraph(
        "dpdk-lb -c lb.toml --check prints every error of a file with its line and its "
        "mend, and starts nothing;\n--dump-config prints the file with all defaults "
        "filled in.");
    page.head("KEYS");
    for (const KeyReference& key : key_reference()) {
        if (key.key.empty()) {
            page.subhead(key.table);
            page.line(escaped(key.help));
            continue;
        }
        page.item(key.key, key.help);
        page.more(fmt::format("Value: {}.", key.wanted));
        if (key.required) {
            page.more("It must be given.");
        } else if (!key.usual.empty()) {
            page.more(fmt::format("Default: {}.", key.usual));
        }
    }
    page.head("EXAMPLES");
    page.line("A service with one backend:");
    page.example(kExample);
    page.head("SEE ALSO");
    page.line(escaped("dpdk-lb(8), dpdk-lbctl(1)"));
    return page.text();
}

}  // namespace

std::vector<std::pair<std::string, std::string>> pages(const std::string& date) {
    return {{"dpdk-lb.8", daemon_page(date)},
            {"dpdk-lbctl.1", console_page(date)},
            {"lb.toml.5", file_page(date)}};
}

}  // namespace dlb::manual
