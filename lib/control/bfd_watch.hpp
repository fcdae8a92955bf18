// BfdWatch: the BFD sessions that watch BGP's neighbours.
//
// Thread safety: one thread, which runs the io_context; the packets are BfdThread's.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/io_context.hpp>

#include "bgp/bfd_thread.hpp"
#include "control/bgp_status.hpp"

namespace dlb {

class BfdWatch {
  public:
    struct Wish {
        BfdPeer peer;
        BfdSettings settings;
    };
    // `failed`: the path to the neighbour has failed; `why` is for the log.
    // Throws std::system_error when the system gives no thread.
    BfdWatch(boost::asio::io_context& io,
             std::function<void(const IpAddress& neighbor, const std::string& why)> failed);

    // Has one session for each of `wanted`, by neighbour, and no other. Tries again what failed to
    // start.
    void sync(const std::map<IpAddress, Wish>& wanted);
    // Asks the thread how its sessions are; to be called now and then.
    void refresh();
    // As of the last refresh(); nullopt: not watched.
    std::optional<BgpBfdStatus> status(const IpAddress& neighbor) const;

  private:
    struct Session {
        Wish wish;
        std::optional<uint32_t> id;  // none: on its way, or refused
        bool answered = false;       // it is not on its way any more
        std::string error;           // why it was refused; "": it was not
        std::optional<BfdStatus> last;
    };
    void start(const IpAddress& neighbor, const std::shared_ptr<Session>& session);
    void note(const BfdEvent& event);

    std::function<void(const IpAddress&, const std::string&)> failed_;
    std::map<IpAddress, std::shared_ptr<Session>> sessions_;
    bool real_time_ = false;
    BfdThread thread_;  // last: no answer comes once it is gone
};

}  // namespace dlb
