// Colours for the tables that the console prints: headers bold, states green, yellow or red.
// Thread safety: pure functions.
#pragma once

#include <string>
#include <string_view>

namespace dlb {

enum class Hue { None, Green, Yellow, Red };

// "active" is green, "draining" yellow, "down" red.
Hue hue_of_state(std::string_view state);

// The text of an answer with colours by ANSI escape sequences. Only cells below the headers STATE,
// HEALTH, LINK and BFD are coloured, whatever else reads "down".
std::string paint(std::string_view text);

}  // namespace dlb
