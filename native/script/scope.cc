#include "script/scope.h"

#include <algorithm>
#include <functional>
#include <unordered_map>

namespace espalier::script {

using torch::jit::Block;
using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Source;
using torch::jit::SourceRange;
using torch::jit::Value;

namespace {

constexpr const char* kMark = "# in ";
// A user's statement in a traceback; longer ones are cut.
constexpr size_t kSnippet = 400;

SourceRange MarkedRange(const SourceRange& range, const std::string& path) {
  // Through the code of the file to what the user wrote, where the file knows it.
  const SourceRange original = range.findSourceRangeThatGenerated().value_or(range);
  std::string snippet;
  std::optional<std::string> file;
  size_t line = 0;
  if (original.source() != nullptr) {
    const size_t length = std::min(original.size(), kSnippet);
    snippet = original.source()->text_str().substr(original.start(), length).str();
    if (const auto place = original.file_line_col()) {
      file = std::get<0>(*place);
      line = std::get<1>(*place);
    }
  }
  // A range that is marked already (a cut model that is cut again) keeps its one mark.
  if (snippet.rfind(kMark, 0) == 0) {
    const size_t end = snippet.find('\n');
    snippet = end == std::string::npos ? "" : snippet.substr(end + 1);
    ++line;
  }
  const std::string text = kMark + path + "\n" + snippet;
  // The mark is a line of its own before the snippet's first.
  auto source = std::make_shared<Source>(text, file, line > 0 ? line - 1 : 0);
  return SourceRange(std::move(source), 0, text.size());
}

void ForEachNode(Block* block, const std::function<void(Node*)>& visit) {
  for (Node* node : block->nodes()) {
    visit(node);
    for (Block* inner : node->blocks()) ForEachNode(inner, visit);
  }
}

}  // namespace

void SetScope(Node* node, const std::string& path) {
  // One level below a root of its own: a path is one name, not a tree.
  const auto root = c10::make_intrusive<torch::jit::Scope>();
  node->setScope(root->push(c10::Symbol::scope(path.empty() ? "." : path)));
}

std::string ScopeOf(const Node* node) {
  const auto scope = const_cast<Node*>(node)->scope();
  if (scope == nullptr || scope->isRoot() || scope->isBlank()) return "";
  const std::string name = scope->name().toUnqualString();
  return name == "." ? "" : name;
}

void KeepScopesInSource(Graph& graph) {
  ForEachNode(graph.block(), [](Node* node) { node->setSourceRange(MarkedRange(node->sourceRange(), ScopeOf(node))); });
}

std::optional<std::string> ScopeFromSource(const Node* node) {
  const SourceRange range = node->sourceRange();
  const auto read = [](const SourceRange& range) -> std::optional<std::string> {
    if (range.source() == nullptr) return std::nullopt;
    const auto& text = range.source()->text_str();
    const std::string mark = kMark;
    if (text.size() < mark.size() || text.substr(0, mark.size()).str() != mark) return std::nullopt;
    const std::string whole = text.str();
    return whole.substr(mark.size(), whole.find('\n') - mark.size());
  };
  if (auto direct = read(range)) return direct;
  const auto original = range.findSourceRangeThatGenerated();
  return original ? read(*original) : std::nullopt;
}

std::string JoinPath(const std::string& a, const std::string& b) {
  if (a.empty()) return b;
  return b.empty() ? a : a + "." + b;
}

std::optional<std::string> ModulePath(const Value* value) {
  std::string path;
  while (value->node()->kind() == c10::prim::GetAttr) {
    path = JoinPath(value->node()->s(c10::attr::name), path);
    value = value->node()->input(0);
  }
  const auto inputs = const_cast<Graph*>(value->node()->owningGraph())->inputs();
  if (inputs.empty() || value != inputs[0]) return std::nullopt;
  return path;
}

}  // namespace espalier::script
