// What a backend of the model is called outside. Thread safety: pure.
#pragma once

#include "control/api.hpp"
#include "lb/model.hpp"

namespace dlb {

inline BackendState state_of(const ModelBackend& backend) {
    return backend.down       ? BackendState::Down
           : backend.draining ? BackendState::Draining
                              : BackendState::Active;
}

}  // namespace dlb
