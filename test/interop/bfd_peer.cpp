// BFD as a program, for tests against routers: BfdThread driven by commands.
//
//   bfd_peer COMMAND…      runs these, then those that come line by line on standard input, to its
//   end
//
//   add ADDRESS [local=ADDRESS] [interface=NAME] [multihop=MINIMUM-HOP-LIMIT] [interval=MS]
//   [multiplier=N] change ID [interval=MS] [multiplier=N]    down ID    up ID    remove ID report
//   load MS                the main loop, where the events arrive, is busy for MS at a time (0: not
//   any more)
//
// Each answer and each event is one line of JSON; `at` is in seconds of CLOCK_MONOTONIC.
#include <iostream>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>
#include <net/if.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "bgp/bfd_thread.hpp"

namespace dlb {
namespace {

using nlohmann::json;

double seconds(std::chrono::nanoseconds time) {
    return std::chrono::duration<double>(time).count();
}

void say(const json& line) {
    std::cout << line.dump() << std::endl;
}

json describe(const BfdCounters& counters) {
    json result = json::object();
    for (size_t i = 0; i < kBfdVerdicts; ++i) {
        if (counters[i] != 0) {
            result[std::string(kBfdVerdictNames[i])] = counters[i];
        }
    }
    return result;
}

json describe(const BfdStatus& status) {
    const BfdSessionStatus& session = status.session;
    return {{"id", status.id},
            {"peer", status.peer.remote.to_string()},
            {"state", to_string(session.state)},
            {"remote_state", to_string(session.remote_state)},
            {"diagnostic", to_string(session.diagnostic)},
            {"remote_diagnostic", to_string(session.remote_diagnostic)},
            {"last_down", to_string(session.last_down)},
            {"tx_ms", session.tx_interval.count() / 1000.0},
            {"detection_ms", session.detection_time.count() / 1000.0},
            {"polling", session.polling},
            {"ups", session.ups},
            {"downs", session.downs},
            {"sent", session.sent},
            {"received", describe(status.received)},
            {"source_port", status.source_port},
            {"send_failures", status.send_failures},
            {"last_send_error", status.last_send_error}};
}

class Program {
  public:
    Program()
        : bfd_(io_.get_executor(), [](const BfdEvent& event) { on_change(event); }),
          input_(io_, ::dup(STDIN_FILENO)) {}

    int run(const std::vector<std::string>& commands) {
        for (const std::string& command : commands) {
            obey(command);
        }
        read();
        io_.run();
        return 0;
    }

  private:
    static void on_change(const BfdEvent& event) {
        say({{"event", to_string(event.change.after)},
             {"before", to_string(event.change.before)},
             {"session", event.session},
             {"peer", event.peer.remote.to_string()},
             {"diagnostic", to_string(event.change.diagnostic)},
             {"remote", to_string(event.change.remote)},
             {"failed", event.failed()},
             {"at", seconds(event.at.time_since_epoch())}});
    }

    void read() {
        boost::asio::async_read_until(input_, buffer_, '\n',
                                      [this](boost::system::error_code ended, size_t) {
                                          if (ended) {
                                              io_.stop();
                                              return;
                                          }
                                          std::istream stream(&buffer_);
                                          std::string line;
                                          std::getline(stream, line);
                                          obey(line);
                                          read();
                                      });
    }

    void obey(const std::string& line) try {
        std::istringstream stream(line);
        std::string verb, subject, word;
        std::map<std::string, std::string> options;
        stream >> verb >> subject;
        while (stream >> word) {
            const size_t equals = word.find('=');
            options[word.substr(0, equals)] = word.substr(equals + 1);
        }
        if (verb == "add") {
            add(subject, options);
        } else if (verb == "report") {
            report();
        } else if (verb == "load") {
            load(std::chrono::milliseconds(std::stoul(subject)));
        } else {
            const auto id = static_cast<uint32_t>(std::stoul(subject));
            const auto done = [](const Result<void>& result) {
                say(result ? json{{"done", true}} : json{{"error", result.error()}});
            };
            if (verb == "change") {
                bfd_.change(id, settings(options), done);
            } else if (verb == "down" || verb == "up") {
                bfd_.set_admin_down(id, verb == "down", done);
            } else if (verb == "remove") {
                bfd_.remove(id);
                say({{"done", true}});
            } else {
                say({{"error", "no such command: " + line}});
            }
        }
    } catch (const std::exception& wrong) {
        say({{"error", line + ": " + wrong.what()}});
    }

    static BfdSettings settings(std::map<std::string, std::string>& options) {
        BfdSettings result;
        if (options.contains("interval")) {
            result.min_tx = std::chrono::milliseconds(std::stoul(options["interval"]));
            result.min_rx = result.min_tx;
        }
        if (options.contains("multiplier")) {
            result.multiplier = static_cast<uint8_t>(std::stoul(options["multiplier"]));
        }
        return result;
    }

    void add(const std::string& address, std::map<std::string, std::string>& options) {
        BfdPeer peer;
        peer.remote = IpAddress::parse(address).value();
        if (options.contains("local")) {
            peer.local = IpAddress::parse(options["local"]).value();
        }
        if (options.contains("interface")) {
            peer.interface = ::if_nametoindex(options["interface"].c_str());
        }
        if (options.contains("multihop")) {
            peer.multihop = true;
            peer.minimum_hop_limit = static_cast<uint8_t>(std::stoul(options["multihop"]));
        }
        bfd_.add(peer, settings(options), [](const Result<uint32_t>& added) {
            say(added ? json{{"added", added.value()}} : json{{"error", added.error()}});
        });
    }

    void report() {
        bfd_.report([](const BfdReport& report) {
            json sessions = json::array();
            for (const BfdStatus& status : report.sessions) {
                sessions.push_back(describe(status));
            }
            say({{"report", sessions},
                 {"received", describe(report.received)},
                 {"latest_ms", report.latest.count() / 1000.0},
                 {"real_time", report.real_time}});
        });
    }

    // What a control loop does that has a large configuration to take in: nothing else.
    void load(std::chrono::milliseconds busy) {
        const bool begins = busy_.count() == 0 && busy.count() != 0;
        busy_ = busy;
        if (begins) {
            boost::asio::post(io_, [this] { spin(); });
        }
        say({{"done", true}});
    }
    void spin() {
        const auto end = std::chrono::steady_clock::now() + busy_;
        while (std::chrono::steady_clock::now() < end) {
        }
        if (busy_.count() != 0) {
            boost::asio::post(io_, [this] { spin(); });
        }
    }

    boost::asio::io_context io_;
    BfdThread bfd_;
    boost::asio::posix::stream_descriptor input_;
    boost::asio::streambuf buffer_;
    std::chrono::milliseconds busy_{0};
};

}  // namespace
}  // namespace dlb

int main(int argc, char** argv) {
    dlb::Program program;
    return program.run({argv + 1, argv + argc});
}
