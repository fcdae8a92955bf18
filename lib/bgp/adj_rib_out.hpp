// AdjRibOut: what one neighbour is to know, what it was told, and the UPDATEs between the two.
//
// Shapes: changes are merged until they are sent; what is withdrawn goes first, what shares its
// attributes goes into one UPDATE. Messages are made on demand, a bounded number of prefixes at a
// time: a neighbour that does not read costs no memory.
//
// Thread safety: one thread.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "bgp/route.hpp"

namespace dlb::bgp {

class AdjRibOut {
  public:
    enum class Standing : uint8_t { Waiting, Announced, Refused };
    struct Entry {
        RoutePtr wanted;  // null: to be withdrawn
        Standing standing = Standing::Waiting;
        bool told = false;    // the neighbour has it
        std::string refusal;  // why it cannot be announced over this session
    };

    void announce(const Prefix& prefix, RoutePtr route);
    void withdraw(const Prefix& prefix);

    // Everything is to be sent again, and an End-of-RIB after it once `complete`: before the first
    // routes are known it would have a helper flush them (RFC 4724 §4.1).
    void session_up(const Outlook& outlook);
    void session_down();
    void set_complete(bool complete) { complete_ = complete; }
    // RFC 2918; `enhanced`: between BoRR and EoRR (RFC 7313 §4.1).
    void refresh(Family family, bool enhanced);

    bool has_pending() const;
    // Whether this session has been told everything, with the End-of-RIBs.
    bool synchronized() const;
    // The next messages, of at most about `prefixes` prefixes; empty: nothing to send.
    std::vector<Bytes> next_messages(size_t prefixes = 2000);

    const std::map<Prefix, Entry>& entries() const { return entries_; }
    size_t announced() const;
    const std::optional<Outlook>& outlook() const { return outlook_; }

  private:
    std::vector<Bytes> withdrawals(size_t& budget);
    std::vector<Bytes> announcements(size_t& budget);
    void announce_group(Family family, const RoutePtr& route, const std::vector<Nlri>& prefixes,
                        std::vector<Bytes>& messages);
    std::vector<Bytes> marks();
    void refuse(Entry& entry, const Prefix& prefix, const std::string& why);

    std::map<Prefix, Entry> entries_;
    std::set<Prefix> withdrawn_;  // wanted is null and it was told
    std::set<Prefix> changed_;
    std::optional<Outlook> outlook_;  // while the session is up
    bool complete_ = true;
    PerFamily<bool> end_of_rib_due_;
    PerFamily<bool> begin_refresh_due_;
    PerFamily<bool> end_refresh_due_;
};

}  // namespace dlb::bgp
