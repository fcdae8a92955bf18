// bgp_peer: a Speaker alone, for tests with real routers.
//
//   bgp_peer CONFIG.json
//
// Reads commands from standard input, one JSON object a line, and answers each with one on standard
// output:
//   {"do": "announce", "prefix": "10.1.1.5", "med": 5, …}   {"do": "withdraw", "prefix": …}
//   {"do": "announce_many", "count": N}: 10.0.0.0 and on, each with a MED of its own
//   {"do": "state"}   {"do": "routes", "neighbor": A}   {"do": "heard", "neighbor": A}   {"do":
//   "complete"}
//   {"do": "refresh", "neighbor": A, "family": "ipv4"}   {"do": "reset", "neighbor": A, "text": T}
//   {"do": "add", "peer": {…}}   {"do": "remove", "neighbor": A}
//   {"do": "graceful_shutdown", "on": true}
//   {"do": "drain", "text": T, "graceful_ms": N, "settle_ms": N}   {"do": "upgrade"}: both end the
//   program
// The speaker's log goes to standard error.
#include <fstream>
#include <iostream>
#include <memory>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>
#include <nlohmann/json.hpp>

#include "bgp/speaker.hpp"

namespace dlb::bgp {
namespace {

namespace asio = boost::asio;
using Json = nlohmann::json;
using std::chrono::milliseconds;

IpAddress address_of(const Json& value) {
    const auto address = IpAddress::parse(value.get<std::string>());
    if (!address) {
        throw std::runtime_error("no address: " + value.dump());
    }
    return *address;
}

uint32_t identifier_of(const std::string& text) {
    const auto bytes = address_of(text).bytes();
    return static_cast<uint32_t>(bytes[0]) << 24 | static_cast<uint32_t>(bytes[1]) << 16 |
           static_cast<uint32_t>(bytes[2]) << 8 | bytes[3];
}

PeerConfig peer_of(const Json& json) {
    PeerConfig peer;
    if (json.contains("address")) {
        peer.address = address_of(json["address"]);
    }
    if (json.contains("local_address")) {
        peer.local_address = address_of(json["local_address"]);
    }
    peer.asn = json.at("asn");
    peer.port = json.value("port", peer.port);
    peer.hold_time = std::chrono::seconds(json.value("hold_time", 9));
    peer.retry_first = milliseconds(json.value("retry_first_ms", 200));
    peer.retry_limit = milliseconds(json.value("retry_limit_ms", 1000));
    peer.connect_timeout = milliseconds(json.value("connect_timeout_ms", 3000));
    peer.passive = json.value("passive", false);
    peer.password = json.value("password", "");
    peer.ttl_security = json.value("ttl_security", false);
    peer.multihop = json.value("multihop", 1U);
    peer.add_path = json.value("add_path", false);
    peer.extended_next_hop = json.value("extended_next_hop", false);
    peer.prepend = json.value("prepend", 0U);
    peer.families = {json.value("ipv4", true), json.value("ipv6", true)};
    if (json.contains("next_hop_v4")) {
        peer.next_hop.v4 = address_of(json["next_hop_v4"]);
    }
    if (json.contains("next_hop_v6")) {
        peer.next_hop.v6 = address_of(json["next_hop_v6"]);
    }
    return peer;
}

SpeakerConfig config_of(const Json& json) {
    SpeakerConfig config;
    config.asn = json.at("asn");
    config.router_id = identifier_of(json.at("router_id"));
    config.restarted = json.value("restarted", false);
    config.routes_complete = json.value("routes_complete", true);
    config.graceful_restart.enabled = json.value("graceful_restart", true);
    for (const Json& text : json.value("listen", Json::array())) {
        config.listen.push_back(Endpoint::parse(text.get<std::string>()).value());
    }
    for (const Json& peer : json.value("peers", Json::array())) {
        config.peers.push_back(peer_of(peer));
    }
    for (const Json& peer : json.value("dynamic", Json::array())) {
        config.dynamic.push_back({Prefix::parse(peer.at("prefix").get<std::string>()).value(),
                                  peer_of(peer), peer.value("limit", size_t{256})});
    }
    return config;
}

RouteOptions options_of(const Json& json) {
    RouteOptions options;
    for (const Json& text : json.value("communities", Json::array())) {
        options.communities.push_back(parse_community(text.get<std::string>()).value());
    }
    for (const Json& text : json.value("large_communities", Json::array())) {
        options.large_communities.push_back(parse_large_community(text.get<std::string>()).value());
    }
    if (json.contains("med")) {
        options.med = json["med"].get<uint32_t>();
    }
    if (json.contains("link_bandwidth")) {
        options.link_bandwidth = json["link_bandwidth"].get<float>();
    }
    options.local_preference = json.value("local_preference", 100U);
    options.prepend = json.value("prepend", 0U);
    return options;
}

Json counts(const MessageCounts& counts) {
    return {{"open", counts.opens},
            {"update", counts.updates},
            {"notification", counts.notifications},
            {"keepalive", counts.keepalives},
            {"refresh", counts.refreshes}};
}

Json state(const Speaker& speaker) {
    Json neighbors = Json::array();
    for (const PeerState& peer : speaker.state()) {
        neighbors.push_back({{"address", peer.address.to_string()},
                             {"asn", peer.asn},
                             {"dynamic", peer.dynamic},
                             {"state", name_of(peer.state)},
                             {"hold_time", peer.hold_time.count()},
                             {"keepalive_ms", peer.keepalive.count()},
                             {"router_id", peer.router_id ? peer.router_id->to_string() : ""},
                             {"offered", peer.offered},
                             {"received", peer.received},
                             {"last_error", peer.last_error},
                             {"likely_cause", peer.likely_cause},
                             {"sent", counts(peer.sent)},
                             {"heard", counts(peer.heard)},
                             {"flaps", peer.flaps},
                             {"announced", peer.routes_announced},
                             {"refused", peer.routes_refused},
                             {"routes_heard", peer.routes_heard},
                             {"treated_as_withdraw", peer.treated_as_withdraw}});
    }
    return {{"neighbors", neighbors}, {"refused_connections", speaker.refused_connections()}};
}

Json routes_out(const Peer& peer) {
    static constexpr const char* kStandings[] = {"waiting", "announced", "refused"};
    Json routes = Json::object();
    for (const auto& [prefix, entry] : peer.routes_out().entries()) {
        routes[prefix.to_string()] = {{"standing", kStandings[static_cast<int>(entry.standing)]},
                                      {"why", entry.refusal}};
    }
    return routes;
}

Json routes_in(const Peer& peer) {
    Json routes = Json::array();
    for (const auto& [nlri, route] : peer.routes_in().routes()) {
        Json communities = Json::array();
        for (const Community community : route.attributes->communities) {
            communities.push_back(describe_community(community));
        }
        routes.push_back(
            {{"prefix", nlri.prefix.to_string()},
             {"path_id", nlri.path_id},
             {"next_hop",
              route.attributes->next_hop ? route.attributes->next_hop->to_string() : ""},
             {"as_path", describe(route.attributes->as_path)},
             {"communities", communities}});
    }
    return routes;
}

Json answer(const Result<void>& result) {
    return result ? Json{{"ok", true}} : Json{{"error", result.error()}};
}

class Program {
  public:
    Program(asio::io_context& io, SpeakerConfig config)
        : io_(io),
          speaker_(io, std::move(config),
                   [](const std::string& line) { std::cerr << line << "\n"; }),
          input_(io, STDIN_FILENO) {}

    Result<void> start() {
        auto started = speaker_.start();
        if (started) {
            read();
        }
        return started;
    }

  private:
    void read() {
        asio::async_read_until(input_, buffer_, '\n',
                               [this](const boost::system::error_code& error, size_t) {
                                   if (error) {
                                       io_.stop();  // the test is gone
                                       return;
                                   }
                                   std::istream stream(&buffer_);
                                   std::string line;
                                   std::getline(stream, line);
                                   std::cout << handle(line).dump() << std::endl;
                                   read();
                               });
    }

    Json handle(const std::string& line) try {
        const Json command = Json::parse(line);
        const std::string what = command.at("do");
        if (what == "announce" || what == "withdraw") {
            const auto prefix = Prefix::parse(command.at("prefix").get<std::string>()).value();
            what == "announce" ? speaker_.announce(prefix, options_of(command))
                               : speaker_.withdraw(prefix);
        } else if (what == "announce_many") {
            RouteOptions options;
            for (uint32_t i = 0; i < command.at("count").get<uint32_t>(); ++i) {
                options.med = i;
                speaker_.announce(Prefix::host(IpAddress::v4(10, static_cast<uint8_t>(i >> 16),
                                                             static_cast<uint8_t>(i >> 8),
                                                             static_cast<uint8_t>(i))),
                                  options);
            }
        } else if (what == "state") {
            return state(speaker_);
        } else if (what == "routes" || what == "heard") {
            const Peer* peer = speaker_.find(address_of(command.at("neighbor")));
            return peer == nullptr ? Json{{"error", "no such neighbour"}}
                                   : (what == "heard" ? routes_in(*peer) : routes_out(*peer));
        } else if (what == "complete") {
            speaker_.routes_complete();
        } else if (what == "graceful_shutdown") {
            speaker_.set_graceful_shutdown(command.at("on"));
        } else if (what == "refresh") {
            const Family family = command.at("family") == "ipv4" ? Family::V4 : Family::V6;
            return answer(speaker_.request_refresh(address_of(command.at("neighbor")), family));
        } else if (what == "reset") {
            return answer(
                speaker_.reset(address_of(command.at("neighbor")), command.value("text", "")));
        } else if (what == "add") {
            return answer(speaker_.add_neighbor(peer_of(command.at("peer"))));
        } else if (what == "remove") {
            return answer(speaker_.remove_neighbor(address_of(command.at("neighbor"))));
        } else if (what == "drain") {
            speaker_.drain({milliseconds(command.value("graceful_ms", 0)),
                            milliseconds(command.value("settle_ms", 0))},
                           command.value("text", ""), [this] { io_.stop(); });
        } else if (what == "upgrade") {
            speaker_.upgrade([this] { io_.stop(); });
        } else {
            return {{"error", "no command " + what}};
        }
        return {{"ok", true}};
    } catch (const std::exception& error) {
        return {{"error", error.what()}};
    }

    asio::io_context& io_;
    Speaker speaker_;
    asio::posix::stream_descriptor input_;
    asio::streambuf buffer_;
};

int run(const char* path) {
    std::ifstream file(path);
    asio::io_context io;
    Program program(io, config_of(Json::parse(file)));
    if (const auto started = program.start(); !started) {
        std::cerr << "bgp_peer: " << started.error() << "\n";
        return 1;
    }
    io.run();
    return 0;
}

}  // namespace
}  // namespace dlb::bgp

int main(int argc, char** argv) {
    if (argc != 2) {
        std::cerr << "usage: bgp_peer CONFIG.json\n";
        return 2;
    }
    try {
        return dlb::bgp::run(argv[1]);
    } catch (const std::exception& error) {
        std::cerr << "bgp_peer: " << error.what() << "\n";
        return 1;
    }
}
