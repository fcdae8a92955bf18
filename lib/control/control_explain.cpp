// Control: explain, from what the workers said to lines for a person.
#include <algorithm>

#include "control/control.hpp"

namespace dlb {

namespace {

std::string describe_verdict(Verdict verdict) {
    switch (kind_of(verdict)) {
        case VerdictKind::Sent:
            return "sent";
        case VerdictKind::Kept:
            return verdict == Verdict::Punted ? "given to the kernel"
                                              : "kept until the MAC is known";
        case VerdictKind::Dropped:
            break;
    }
    return "dropped";
}

// What the headers alone say, for packets that no service takes.
std::string describe_class(const Decision& decision, const ExplainQuery& query) {
    const std::string destination = query.destination.to_string();
    switch (decision.cls) {
        case PacketClass::Punt:
            return destination + " is no VIP and no backend's reply: the kernel's, by the twin";
        case PacketClass::FnatReply:
            return query.destination.address.to_string() +
                   " is a SNAT address: only a flow of its own could take it";
        case PacketClass::Done:
            if (decision.verdict != Verdict::NoService) {
                return query.source.address.to_string() + " can be no host's address";
            }
            return query.destination.address.to_string() + " is a VIP, but no service answers " +
                   std::string(to_string(query.protocol)) + " port " +
                   std::to_string(query.destination.port);
        default:
            return "";
    }
}

// How a packet without a flow comes to its backend.
std::string describe_choice(const Decision& decision) {
    const std::string backend = "backend " + decision.backend->to_string();
    if (decision.persistent) {
        return "no flow yet; the client's other flows go to " + backend;
    }
    return decision.stateless
               ? "no flow yet, and the quota of half-open flows is used up: by hash " + backend +
                     ", and no flow is kept"
               : "no flow yet; the scheduler gives " + backend;
}

// Why a packet of the service gets no backend.
std::string describe_refusal(const Decision& decision, const ModelService& service) {
    switch (decision.refusal) {
        case Verdict::BackendGone:
            return "the backend of its flow is gone or down; overflow = \"" +
                   std::string(to_string(service.config.overflow)) + "\"";
        case Verdict::BackendsFull:
            return "every backend has its max_connections; overflow = \"" +
                   std::string(to_string(service.config.overflow)) + "\"";
        case Verdict::NewFlowLimit:
            return "the service has had its " + std::to_string(service.config.max_new_flows) +
                   " new flows of this second";
        default:
            return "no backend takes new flows; overflow = \"" +
                   std::string(to_string(service.config.overflow)) + "\"";
    }
}

// What becomes of a reply's endpoints.
std::string describe_translation(const Decision& decision) {
    if (!decision.translated_source) {
        return "only its flow tells which VIP it answers for, and there is none";
    }
    std::string text = "its source becomes " + decision.translated_source->to_string();
    if (decision.cls == PacketClass::FnatReply) {
        text += ", its destination " + decision.translated_destination->to_string();
    }
    return text;
}

}  // namespace

Explanation Control::make_explanation(const ExplainQuery& query,
                                      const std::vector<Decision>& decisions) const {
    // Any worker may have the flow; without one its owner would decide.
    size_t chosen = 0;
    for (size_t id = decisions.size(); id-- > 0;) {
        chosen = decisions[id].owner ? id : chosen;
    }
    for (size_t id = 0; id < decisions.size(); ++id) {
        chosen = decisions[id].known_flow ? id : chosen;
    }
    const Decision& decision = decisions[chosen];
    Explanation explanation;
    explanation.verdict = to_string(decision.verdict);
    explanation.steps.push_back(std::string(to_string(query.protocol)) + " from " +
                                query.source.to_string() + " to " + query.destination.to_string());
    const ModelService* service = nullptr;
    if (decision.service) {
        explanation.service = service_name(*decision.service);
        service = model_.find(explanation.service);
    }
    if (service == nullptr) {
        explanation.steps.push_back(describe_class(decision, query));
    } else if (decision.cls == PacketClass::NatReply || decision.cls == PacketClass::FnatReply) {
        explanation.mode = to_string(service->config.mode);
        explanation.backend = decision.backend;
        explanation.source = decision.known_flow ? "flow" : "";
        explanation.steps.push_back(
            "a reply of service " + explanation.service +
            (decision.known_flow ? ", of a flow that worker " + std::to_string(chosen) + " has"
                                 : ""));
        explanation.steps.push_back(describe_translation(decision));
    } else {
        explanation.mode = to_string(service->config.mode);
        explanation.backend = decision.backend;
        explanation.steps.push_back("service " + explanation.service + " (" + explanation.mode +
                                    ", " + std::string(to_string(service->config.scheduler)) + ")");
        if (decision.backend) {
            explanation.source = decision.known_flow ? "flow" : "scheduler";
            explanation.steps.push_back(decision.known_flow ? "worker " + std::to_string(chosen) +
                                                                  " has its flow: backend " +
                                                                  decision.backend->to_string()
                                                            : describe_choice(decision));
        } else {
            explanation.steps.push_back(describe_refusal(decision, *service));
        }
    }
    if (decision.hop_asked) {
        explanation.next_hop = describe_hop(decision.hop);
        explanation.steps.push_back("next hop " + explanation.next_hop);
    }
    explanation.steps.push_back("verdict " + explanation.verdict + ": " +
                                describe_verdict(decision.verdict));
    return explanation;
}

void Control::explain(const ExplainQuery& query, std::function<void(Explanation)> done) {
    JobRunner::Jobs jobs;
    for (unsigned id = 0; id < workers_.size(); ++id) {
        jobs.push_back(std::make_unique<ExplainJob>(query));
    }
    jobs_.run(std::move(jobs), [this, query, done](JobRunner::Jobs& ended) {
        std::vector<Decision> decisions;
        for (const auto& job : ended) {
            decisions.push_back(static_cast<const ExplainJob&>(*job).decision());
        }
        done(make_explanation(query, decisions));
    });
}

}  // namespace dlb
