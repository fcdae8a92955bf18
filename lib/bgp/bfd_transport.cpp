#include "bgp/bfd_transport.hpp"

#include <algorithm>
#include <utility>

namespace dlb {
namespace {

BfdTime clock_now() {
    return std::chrono::steady_clock::now();
}

Error no_session(uint32_t id) {
    return Error{"BFD: no session " + std::to_string(id) + ": it was removed"};
}

}  // namespace

bool BfdEvent::failed() const {
    return change.before == BfdState::Up && change.after == BfdState::Down &&
           change.remote != BfdState::AdminDown;
}

BfdTransport::BfdTransport(boost::asio::io_context& io, OnChange on_change)
    : io_(io), on_change_(std::move(on_change)), table_([this](uint32_t n) { return draw(n); }) {}

uint32_t BfdTransport::draw(uint32_t bound) {
    return std::uniform_int_distribution<uint32_t>(0, bound - 1)(random_);
}

Result<uint32_t> BfdTransport::add(const BfdPeer& peer, const BfdSettings& settings) {
    if (auto checked = peer.check(); !checked) {
        return Error{checked.error()};
    }
    if (auto opened = open_receiver(peer.remote.family(), peer.multihop); !opened) {
        return Error{opened.error()};
    }
    auto added = table_.add(peer, settings, clock_now());
    if (!added) {
        return added;
    }
    const uint32_t id = added.value();
    Io& io = sessions_.try_emplace(id, io_).first->second;
    const auto first_port =
        static_cast<uint16_t>(kBfdFirstSourcePort + draw(65536 - kBfdFirstSourcePort));
    const auto taken = [&](uint16_t port) {
        return std::any_of(sessions_.begin(), sessions_.end(), [&](const auto& session) {
            return session.second.sender.source_port() == port;
        });
    };
    if (auto opened = io.sender.open(peer, first_port, taken); !opened) {
        sessions_.erase(id);
        table_.remove(id);
        return Error{opened.error()};
    }
    arm(id, table_.find(id)->session);
    return id;
}

void BfdTransport::remove(uint32_t id) {
    if (BfdTable::Entry* entry = table_.find(id)) {
        const BfdActions actions = entry->session.set_admin_down(true, clock_now());
        if (actions.send) {
            sessions_.at(id).sender.send(encode(*actions.send));
        }
        sessions_.erase(id);
        table_.remove(id);
    }
}

Result<void> BfdTransport::change(uint32_t id, const BfdSettings& settings) {
    if (auto checked = settings.check(); !checked) {
        return checked;
    }
    BfdTable::Entry* entry = table_.find(id);
    if (entry == nullptr) {
        return no_session(id);
    }
    entry->session.change(settings, clock_now());
    arm(id, entry->session);
    return {};
}

Result<void> BfdTransport::set_admin_down(uint32_t id, bool down) {
    BfdTable::Entry* entry = table_.find(id);
    if (entry == nullptr) {
        return no_session(id);
    }
    const BfdTime now = clock_now();
    act(*entry, entry->session.set_admin_down(down, now), now);
    return {};
}

BfdReport BfdTransport::report() const {
    BfdReport report;
    report.received = table_.counters();
    report.latest = latest_;
    for (const auto& [id, entry] : table_.entries()) {
        const BfdSender& sender = sessions_.at(id).sender;
        report.sessions.push_back({id, entry.peer, entry.session.status(), entry.counters,
                                   sender.source_port(), sender.failures(), sender.last_error()});
    }
    return report;
}

Result<void> BfdTransport::open_receiver(Family family, bool multihop) {
    auto& receiver = receivers_[{family, multihop}];
    if (receiver) {
        return {};
    }
    auto fresh = std::make_unique<BfdReceiver>(
        io_, family, multihop, [this](std::span<const uint8_t> payload, const BfdArrival& arrival) {
            const BfdTime now = clock_now();
            const auto received = table_.receive(payload, arrival, now);
            if (received.entry != nullptr) {
                act(*received.entry, received.actions, now);
            }
        });
    auto opened = fresh->open();
    if (opened) {
        receiver = std::move(fresh);
    }
    return opened;
}

void BfdTransport::drain() {
    for (auto& [key, receiver] : receivers_) {
        if (receiver) {
            receiver->drain();
        }
    }
}

void BfdTransport::act(BfdTable::Entry& entry, const BfdActions& actions, BfdTime now) {
    const uint32_t id = entry.session.discriminator();
    if (actions.send) {
        sessions_.at(id).sender.send(encode(*actions.send));
    }
    arm(id, entry.session);
    if (actions.change) {
        on_change_({id, entry.peer, *actions.change, now});
    }
}

void BfdTransport::arm(uint32_t id, const BfdSession& session) {
    Io& io = sessions_.at(id);
    const BfdTime deadline = session.deadline();
    if (io.armed == deadline) {
        return;  // most packets move a deadline that is not the next one
    }
    io.armed = deadline;
    if (deadline == BfdTime::max()) {
        io.timer.cancel();
        return;
    }
    io.timer.expires_at(deadline);
    io.timer.async_wait([this, id](boost::system::error_code cancelled) {
        if (!cancelled) {
            on_timer(id);
        }
    });
}

void BfdTransport::on_timer(uint32_t id) {
    if (const auto io = sessions_.find(id); io != sessions_.end()) {
        latest_ = std::max(latest_, std::chrono::duration_cast<std::chrono::microseconds>(
                                        clock_now() - io->second.armed));
    }
    drain();
    BfdTable::Entry* entry = table_.find(id);
    const auto io = sessions_.find(id);
    if (entry == nullptr || io == sessions_.end()) {
        return;  // removed when the timer had gone off already
    }
    io->second.armed = BfdTime::max();
    const BfdTime now = clock_now();
    act(*entry, entry->session.on_timer(now), now);
}

}  // namespace dlb
