#pragma once

#include <set>
#include <string>

#include "script/graph/prepare.h"

namespace espalier::script {

// Names of whole numbers in attributes on which sizes or indices in a graph depend.
std::set<std::string> Sizing(const PreparedGraph& prepared);

}  // namespace espalier::script
