#pragma once

#include "script/surgery.h"

namespace espalier::script {

// Makes the edits of a request in `graph`, a copy of the recorded graph. Constants are edited per use: they are pooled.
void EditGraph(torch::jit::Graph& graph, const Recording& recording, const CutRequest& request);

}  // namespace espalier::script
