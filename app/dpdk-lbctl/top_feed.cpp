#include "top_feed.hpp"

#include <exception>

#include <fmt/format.h>

#include "console/words.hpp"

namespace dlb::ctl {

Result<void> TopFeed::connect() {
    auto opened = ConsoleConnection::open(socket_);
    if (!opened.ok()) {
        return Error{opened.error()};
    }
    connection_.emplace(std::move(opened).value());
    trouble_.clear();
    model_.forget();
    return {};
}

void TopFeed::lose(const std::string& why) {
    connection_.reset();
    requests_.clear();
    next_ = 0;
    trouble_ = why + " (trying again)";
}

void TopFeed::send() {
    connection_->send({{"command", requests_[next_].command}, {"json", true}});
}

void TopFeed::start_round(const std::string& service) {
    if (!connection_) {
        if (const auto connected = connect(); !connected.ok()) {
            return lose(connected.error());
        }
    }
    if (!idle()) {
        return;
    }
    requests_ = {{What::Version, "show version"},
                 {What::Ports, "show port stats"},
                 {What::Drops, "show drops"},
                 {What::Workers, "show workers"},
                 {What::Services, "show services"}};
    service_ = service;
    if (!service.empty()) {
        requests_.push_back({What::Backends, join_words({"show", "backends", service})});
    }
    next_ = 0;
    send();
}

void TopFeed::ask_backends(const std::string& service) {
    if (!connection_ || !idle() || service.empty()) {
        return;
    }
    service_ = service;
    requests_ = {{What::Backends, join_words({"show", "backends", service})}};
    next_ = 0;
    send();
}

bool TopFeed::take() {
    bool changed = false;
    while (connection_ && !idle()) {
        const auto reply = connection_->poll();
        if (!reply.ok()) {
            lose(reply.error());
            return true;
        }
        if (!reply.value()) {
            return changed;
        }
        try {
            absorb(requests_[next_], *reply.value());
        } catch (const std::exception& e) {
            lose(fmt::format("dpdk-lb answers in another way than this dpdk-lbctl expects: {}",
                             printable(e.what())));
            return true;
        }
        changed = true;
        if (++next_ < requests_.size()) {
            send();
        }
    }
    if (connection_ && (idle())) {
        // Nothing is due: only the daemon's end can come.
        if (const auto end = connection_->poll(); !end.ok()) {
            lose(end.error());
            return true;
        }
    }
    return changed;
}

void TopFeed::absorb(const Request& request, const Json& answer) {
    const auto now = TopClock::now();
    if (answer.at("status") != 0) {
        if (request.what == What::Backends) {  // the service has gone
            return model_.take_backends(service_, Json::array(), now);
        }
        trouble_ = printable(answer.at("error").get<std::string>());
        return;
    }
    trouble_.clear();
    const Json document = Json::parse(answer.at("output").get_ref<const std::string&>());
    switch (request.what) {
        case What::Version:
            return model_.take_version(document);
        case What::Ports:
            return model_.take_ports(document, now);
        case What::Drops:
            return model_.take_drops(document, now);
        case What::Services:
            return model_.take_services(document, now);
        case What::Workers:
            return model_.take_workers(document, now);
        case What::Backends:
            return model_.take_backends(service_, document, now);
    }
}

}  // namespace dlb::ctl
