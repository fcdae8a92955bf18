// build(): LbModel → LbSnapshot.
#include <algorithm>
#include <functional>

#include "lb/model.hpp"
#include "lb/turns.hpp"

namespace dlb {

namespace {

uint16_t to_network(uint16_t host) {
    return Be16(host).raw();
}

// The ports that a service answers on, 0 for every port; network byte order.
std::vector<uint16_t> service_ports(const ServiceConfig& config) {
    std::vector<uint16_t> ports;
    for (const uint16_t port : config.ports) {
        ports.push_back(to_network(port));
    }
    if (ports.empty()) {
        ports.push_back(0);
    }
    return ports;
}

template <typename F>
void add_vips(FamilyTables<F>& tables, const ModelService& service) {
    for (const Prefix& vip : service.config.vip) {
        if (vip.family() != F::kFamily) {
            continue;
        }
        const auto address = raw_address<F>(vip.address());
        const auto length = static_cast<uint8_t>(vip.length());
        for (const uint16_t port : service_ports(service.config)) {
            VipEntry& entry =
                tables.vips[{address, port, static_cast<uint8_t>(service.config.protocol), length}];
            entry.service = service.slot;
        }
        tables.vips[{address, 0, 0, length}].icmp_echo |= service.config.icmp_echo;
        tables.prefix_lengths.push_back(length);
    }
    std::sort(tables.prefix_lengths.begin(), tables.prefix_lengths.end(), std::greater<>());
    tables.prefix_lengths.erase(
        std::unique(tables.prefix_lengths.begin(), tables.prefix_lengths.end()),
        tables.prefix_lengths.end());
}

// One way back: replies of `backend` from `port` come from (vip, vip_port). Port 0 stands for every
// port; a VIP's every port before one port of the backend's is told apart by the flow alone. Where
// there are several, the default is the one that `previous` had: flows from before that is no
// longer the only one have no other way to be told.
template <typename F>
void add_reply(FamilyTables<F>& tables, const FamilyTables<F>* previous,
               const ModelService& service, const ModelBackend& backend, const Prefix& vip,
               uint16_t port, uint16_t vip_port) {
    ReplyKey<F> key{};
    key.address = raw_address<F>(backend.config.address);
    key.port = port;
    key.protocol = static_cast<uint8_t>(service.config.protocol);
    tables.nat_backends[{key.address}] = true;
    const bool known = tables.replies.find(key) != nullptr;
    ReplyEntry<F>& entry = tables.replies[key];
    const auto vip_address = raw_address<F>(vip.address());
    if (known && (entry.vip != vip_address || entry.vip_port != vip_port)) {
        entry.ambiguous = true;
        const ReplyEntry<F>* before = previous == nullptr ? nullptr : previous->replies.find(key);
        if (before == nullptr || !before->has_default || before->backend != backend.id ||
            before->vip != vip_address || before->vip_port != vip_port) {
            return;
        }
    }
    entry.backend = backend.id;
    entry.service = service.slot;
    entry.vip = vip_address;
    entry.vip_port = vip_port;
    entry.has_default = vip.is_host() && (vip_port != 0 || port == 0);
    entry.ambiguous |= !entry.has_default;
}

template <typename F>
void add_replies(FamilyTables<F>& tables, const FamilyTables<F>* previous,
                 const ModelService& service) {
    for (const Prefix& vip : service.config.vip) {
        for (const ModelBackend& backend : service.backends) {
            if (vip.family() != F::kFamily || backend.config.address.family() != F::kFamily) {
                continue;
            }
            for (const uint16_t port : service_ports(service.config)) {
                const bool kept = backend.config.port == 0;
                const uint16_t from = kept ? port : to_network(backend.config.port);
                add_reply(tables, previous, service, backend, vip, from, port);
            }
        }
    }
}

// An endpoint that has an entry of its own and also falls under its address's entry for every port
// can be either's.
template <typename F>
void mark_overlaps(FamilyTables<F>& tables) {
    std::vector<ReplyKey<F>> overlapping;
    tables.replies.for_each([&](const ReplyKey<F>& key, const ReplyEntry<F>&) {
        ReplyKey<F> every = key;
        every.port = 0;
        if (key.port != 0 && tables.replies.find(every) != nullptr) {
            overlapping.push_back(key);
            overlapping.push_back(every);
        }
    });
    for (const ReplyKey<F>& key : overlapping) {
        tables.replies[key].ambiguous = true;
    }
}

template <typename F>
void note_stateful_services(const FamilyTables<F>& tables, const LbModel& model,
                            std::vector<ServiceEntry>& services) {
    for (const ModelService& service : model.services()) {
        if (service.config.mode != Mode::Nat) {
            continue;
        }
        for (const ModelBackend& backend : service.backends) {
            if (backend.config.address.family() != F::kFamily) {
                continue;
            }
            for (const uint16_t port : service_ports(service.config)) {
                const uint16_t from =
                    backend.config.port == 0 ? port : to_network(backend.config.port);
                const auto* reply =
                    tables.find_reply(raw_address<F>(backend.config.address), from,
                                      static_cast<uint8_t>(service.config.protocol));
                if (reply != nullptr && reply->ambiguous) {
                    services[service.slot].stateful_replies = true;
                    services[service.slot].sticky = true;  // or no reply could be told
                }
            }
        }
    }
}

template <typename F>
void add_addresses(FamilyTables<F>& tables, const LbModel& model) {
    for (const IpAddress& address : model.addresses()) {
        if (address.family() == F::kFamily) {
            tables.addresses[{raw_address<F>(address)}].local = true;
        }
    }
    const std::vector<IpAddress>& snat = model.snat_addresses();
    for (size_t slot = 0; slot < snat.size(); ++slot) {
        if (snat[slot].family() == F::kFamily) {
            tables.addresses[{raw_address<F>(snat[slot])}].snat_slot = static_cast<int32_t>(slot);
        }
    }
}

// After VIPs and addresses.
template <typename F>
void fill_filter(FamilyTables<F>& tables) {
    tables.vips.for_each(
        [&](const VipKey<F>& key, const VipEntry&) { tables.ours.add(key.address); });
    tables.addresses.for_each(
        [&](const AddressKey<F>& key, const AddressEntry&) { tables.ours.add(key.address); });
}

Tunnel tunnel_of(const ServiceConfig& service, const BackendConfig& backend) {
    const uint16_t port =
        service.tunnel_port != 0 ? service.tunnel_port : default_tunnel_port(service.mode);
    return {service.mode, port, service.vni, backend.mac};
}

void fill_backends(const LbModel& model, const ModelService& service, LbSnapshot& snapshot) {
    for (const ModelBackend& backend : service.backends) {
        BackendEntry& entry = snapshot.backends[backend.id.slot()];
        entry.id = backend.id;
        entry.family = backend.config.address.family();
        entry.takes_new_flows = backend.takes_new_flows();
        entry.dead = backend.down;
        entry.weight = backend.config.weight;
        entry.max_connections = backend.config.max_connections;
        entry.port = to_network(backend.config.port);
        entry.service = service.slot;
        entry.address = backend.config.address;
        if (is_tunnel(service.config.mode)) {
            const auto source = model.tunnel_source_of(service.config, entry.family);
            if (source) {
                Tunnel tunnel = tunnel_of(service.config, backend.config);
                tunnel.flow_bits =
                    static_cast<uint8_t>(source->address().bits() - source->length());
                entry.outer = make_outer_header(source->address(), entry.address, tunnel);
            }
        }
    }
}

// Where several workers share the flows, both directions of a flow, or all flows of a client, may
// have to meet at one of them. A stateful reply tells no service, so these have one rule for all.
void choose_keepers(const LbModel& model, LbSnapshot& snapshot) {
    for (const ModelService& service : model.services()) {
        ServiceEntry& entry = snapshot.services[service.slot];
        if (entry.persistence_ms != 0) {
            entry.keeper = FlowKeeper::ClientAddress;
            snapshot.reply_keeper =
                entry.stateful_replies ? FlowKeeper::ClientAddress : snapshot.reply_keeper;
        }
    }
    for (const ModelService& service : model.services()) {
        ServiceEntry& entry = snapshot.services[service.slot];
        if (entry.stateful_replies) {
            entry.keeper = snapshot.reply_keeper;
        }
    }
}

// `old`: the table to take if it has the same members.
std::shared_ptr<const MaglevTable> make_maglev(std::vector<MaglevMember> members,
                                               const std::shared_ptr<const MaglevTable>& old) {
    if (old != nullptr) {
        std::sort(members.begin(), members.end(),
                  [](const auto& a, const auto& b) { return a.endpoint < b.endpoint; });
        if (std::equal(members.begin(), members.end(), old->members().begin(),
                       old->members().end())) {
            return old;
        }
    }
    return std::make_shared<const MaglevTable>(std::move(members));
}

// The turns of the table's members, shared as the table is.
void fill_turns(const ModelService& service, size_t index, const LbSnapshot* previous,
                LbSnapshot& snapshot) {
    const auto& table = snapshot.maglev[service.slot][index];
    auto& turns = snapshot.turns[service.slot][index];
    if (previous != nullptr && service.slot < previous->maglev.size() &&
        previous->maglev[service.slot][index] == table) {
        turns = previous->turns[service.slot][index];
    }
    if (turns == nullptr) {
        std::vector<uint32_t> weights;
        for (const MaglevMember& member : table->members()) {
            weights.push_back(member.weight);
        }
        turns = std::make_shared<const std::vector<uint16_t>>(make_turns(weights));
    }
    MaglevView& view = snapshot.services[service.slot].maglev[index];
    view.turns = turns->data();
    view.turn_count = static_cast<uint32_t>(turns->size());
}

void fill_maglev(const ModelService& service, const LbSnapshot* previous, LbSnapshot& snapshot) {
    const bool any_family = is_tunnel(service.config.mode);
    auto& tables = snapshot.maglev[service.slot];
    for (const Family client : {Family::V4, Family::V6}) {
        const size_t index = client == Family::V4 ? 0 : 1;
        if (any_family && client == Family::V6) {
            tables[1] = tables[0];
        } else {
            std::vector<MaglevMember> members;
            for (const ModelBackend& backend : service.backends) {
                if (backend.takes_new_flows() &&
                    (any_family || backend.config.address.family() == client)) {
                    members.push_back(
                        {backend.id, backend.config.endpoint(), backend.config.weight});
                }
            }
            const bool known = previous != nullptr && service.slot < previous->maglev.size();
            tables[index] = make_maglev(std::move(members),
                                        known ? previous->maglev[service.slot][index] : nullptr);
        }
        const MaglevTable& table = *tables[index];
        snapshot.services[service.slot].maglev[index] = {
            .slots = table.slots().data(),
            .ids = table.ids().data(),
            .size = table.size(),
            .members = static_cast<uint32_t>(table.members().size())};
        if (service.config.scheduler == SchedulerKind::Wrr && !table.empty()) {
            fill_turns(service, index, previous, snapshot);
        }
    }
}

void fill_service(const LbModel& model, const ModelService& service, const LbSnapshot* previous,
                  LbSnapshot& snapshot) {
    ServiceEntry& entry = snapshot.services[service.slot];
    entry.used = true;
    entry.slot = service.slot;
    entry.mode = service.config.mode;
    entry.scheduler = service.config.scheduler;
    entry.overflow = service.config.overflow;
    entry.mss_clamp = service.config.mss_clamp;
    entry.sticky = service.config.sticky || service.config.mode == Mode::Fnat;
    entry.max_new_flows = service.config.max_new_flows;
    const auto ms = [](std::chrono::milliseconds d) { return static_cast<uint32_t>(d.count()); };
    const FlowTimeouts& timeout = service.config.timeout;
    entry.persistence_ms = ms(service.config.persistence);
    const auto set = [&](FlowState state, uint32_t time) {
        entry.timeout_ms[static_cast<unsigned>(state)] = time;
    };
    set(FlowState::Handshake, ms(timeout.tcp_handshake));
    set(FlowState::Joined, ms(timeout.tcp_established));
    set(FlowState::Established, ms(timeout.tcp_established));
    set(FlowState::HalfClosed, ms(timeout.tcp_fin));
    set(FlowState::Fin, ms(timeout.tcp_fin));
    // A reset connection lingers as in IPVS: 10 s, for what is still under way.
    set(FlowState::Closed, std::min(ms(timeout.tcp_fin), 10'000U));
    set(FlowState::UdpNew, ms(timeout.udp));
    set(FlowState::Udp, ms(timeout.udp));
    set(FlowState::ClientNew, entry.persistence_ms);
    set(FlowState::Client, entry.persistence_ms);
    fill_maglev(service, previous, snapshot);
    if (service.config.mode == Mode::Fnat) {
        const std::vector<IpAddress>& known = model.snat_addresses();
        for (const Family family : {Family::V4, Family::V6}) {
            for (const IpAddress& address : model.snat_of(service.config, family)) {
                const auto at = std::find(known.begin(), known.end(), address);
                entry.snat[family == Family::V4 ? 0 : 1].push_back(
                    static_cast<uint16_t>(at - known.begin()));
            }
        }
    }
}

template <typename F>
void fill_tables(const LbModel& model, const LbSnapshot* previous, LbSnapshot& snapshot) {
    FamilyTables<F>& tables = snapshot.tables<F>();
    for (const ModelService& service : model.services()) {
        add_vips(tables, service);
        if (service.config.mode == Mode::Nat) {
            add_replies(tables, previous == nullptr ? nullptr : &previous->tables<F>(), service);
        }
    }
    mark_overlaps(tables);
    note_stateful_services(tables, model, snapshot.services);
    add_addresses(tables, model);
    fill_filter(tables);
}

}  // namespace

std::shared_ptr<const LbSnapshot> build(const LbModel& model, const LbSnapshot* previous) {
    auto snapshot = std::make_shared<LbSnapshot>();
    snapshot->version = previous == nullptr ? 1 : previous->version + 1;
    snapshot->services.resize(model.service_slots());
    snapshot->maglev.resize(model.service_slots());
    snapshot->turns.resize(model.service_slots());
    snapshot->backends.resize(model.backend_slots());
    snapshot->snat_addresses = model.snat_addresses();
    for (const ModelService& service : model.services()) {
        fill_service(model, service, previous, *snapshot);
        fill_backends(model, service, *snapshot);
    }
    fill_tables<V4>(model, previous, *snapshot);
    fill_tables<V6>(model, previous, *snapshot);
    choose_keepers(model, *snapshot);
    return snapshot;
}

}  // namespace dlb
