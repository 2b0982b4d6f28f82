#pragma once

#include <string>

#include "script/edits/request.h"
#include "script/record/recording.h"

namespace espalier::script {

// Makes the edits of a request in `graph`, a copy of the recorded graph. Constants are edited per use: they are pooled.
void EditGraph(torch::jit::Graph& graph, const Recording& recording, const CutRequest& request);

// Nothing is left of the graph of a method but that it raises.
void CloseGraph(torch::jit::Graph& graph, const std::string& method);

}  // namespace espalier::script
