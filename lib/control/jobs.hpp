// Jobs that workers do for the control thread: listing their flows, explaining a packet.
// Thread safety: made and read on the control thread, stepped on a worker's.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "control/api.hpp"
#include "control/worker_pool.hpp"
#include "datapath/worker.hpp"

namespace dlb {

// A flow as a worker knows it; names are the control thread's to add.
struct FlowRow {
    unsigned worker;
    uint8_t protocol;
    Endpoint client, vip;
    std::optional<Endpoint> backend, snat;  // backend: none once it is gone
    uint32_t service;                       // slot
    FlowState state;
    uint32_t expires_ms;
};

class ListFlowsJob : public WorkerJob {
  public:
    // `service`: a slot, or nullopt for all.
    ListFlowsJob(std::optional<uint32_t> service, uint32_t limit);
    bool step(const Worker& worker, const DataplaneTables& tables) override;
    const std::vector<FlowRow>& rows() const { return rows_; }

  private:
    template <typename F>
    bool step_family(const Worker& worker, const DataplaneTables& tables);

    std::optional<uint32_t> service_;
    uint32_t limit_;
    std::vector<FlowRow> rows_;  // reserved: a worker allocates nothing
    uint32_t cursor_ = 0;
    bool second_family_ = false;
};

// What one worker would do with the packet of `query`.
struct Decision {
    PacketClass cls = PacketClass::Done;
    Verdict verdict = Verdict::Punted;
    bool known_flow = false;
    bool owner = false;  // this worker would keep such a flow
    Verdict refusal =
        Verdict::Punted;              // why no backend takes it, where overflow changes the verdict
    bool persistent = false;          // as the client's other flows
    bool stateless = false;           // no flow would be kept
    std::optional<uint32_t> service;  // slot
    std::optional<Endpoint> backend;
    std::optional<Endpoint> translated_source, translated_destination;  // of a reply
    NextHop hop;
    bool hop_asked = false;
};

class ExplainJob : public WorkerJob {
  public:
    explicit ExplainJob(const ExplainQuery& query) : query_(query) {}
    bool step(const Worker& worker, const DataplaneTables& tables) override;
    const Decision& decision() const { return decision_; }

  private:
    template <typename F>
    void decide(const Worker& worker, const DataplaneTables& tables);
    template <typename F>
    void decide_reply(const Worker& worker, const DataplaneTables& tables, const Packet& packet);
    template <typename F>
    bool decide_by_flow(const Worker& worker, const DataplaneTables& tables, const Packet& packet);
    void finish(const NextHop& hop, Verdict verdict);

    ExplainQuery query_;
    Decision decision_;
};

// Runs one job on each worker, and calls `done` with them when all have finished.
class JobRunner {
  public:
    explicit JobRunner(WorkerPool& workers) : workers_(workers) {}

    using Jobs = std::vector<std::unique_ptr<WorkerJob>>;
    void run(Jobs jobs, std::function<void(Jobs&)> done);
    // Posts what waits, ends what is done. Whenever the control doorbell rang, and at each tick.
    void poll();
    bool idle() const { return batches_.empty(); }

  private:
    struct Batch {
        Jobs jobs;
        std::vector<bool> posted;
        std::function<void(Jobs&)> done;
    };
    WorkerPool& workers_;
    std::vector<Batch> batches_;  // the first is under way
};

}  // namespace dlb
