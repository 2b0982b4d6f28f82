#include "script/graph/scope.h"

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <sstream>
#include <unordered_map>
#include <utility>
#include <vector>

#include "script/graph/walk.h"

namespace espalier::script {

using torch::jit::Block;
using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Source;
using torch::jit::SourceRange;
using torch::jit::Value;

namespace {

constexpr const char* kMark = "# in ";
constexpr const char* kGives = "# gives ";
constexpr const char* kTrail = "# trail ";
constexpr const char* kWhole = "-";
constexpr const char* kGiven = "espalier_given_";
// A user's statement in a traceback; longer ones are cut.
constexpr size_t kSnippet = 400;

// What calls give of a node's outputs: name of the value, call, place in what the call gives ("1/2.0/3"; "-": all of
// it). The one output of a node needs no name ("-"); of several, passes drop those that nobody reads.
const c10::Symbol& GivesName() {
  static const c10::Symbol symbol = c10::Symbol::attr("gives");
  return symbol;
}

const c10::Symbol& TrailName() {
  static const c10::Symbol symbol = c10::Symbol::attr("trail");
  return symbol;
}

bool StartsWith(const std::string& text, const char* start) { return text.rfind(start, 0) == 0; }

// The lines that a range was marked with, and what follows them.
std::pair<std::vector<std::string>, std::string> Split(const std::string& text) {
  std::vector<std::string> marks;
  size_t begin = 0;
  while (begin < text.size()) {
    const std::string line = text.substr(begin, text.find('\n', begin) - begin);
    if (!StartsWith(line, kMark) && !StartsWith(line, kGives) && !StartsWith(line, kTrail)) break;
    marks.push_back(line);
    begin = std::min(begin + line.size() + 1, text.size());
  }
  return {marks, text.substr(begin)};
}

SourceRange MarkedRange(const SourceRange& range, const std::vector<std::string>& marks) {
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
  // A range that is marked already (a cut model that is cut again) is marked anew.
  const auto [old, rest] = Split(snippet);
  line += old.size();
  std::string text;
  for (const std::string& mark : marks) text += mark + "\n";
  text += rest;
  // The marks are lines of their own before the snippet's first.
  auto source = std::make_shared<Source>(text, file, line > marks.size() ? line - marks.size() : 0);
  return SourceRange(std::move(source), 0, text.size());
}

std::vector<std::string> MarksOf(const Node* node) {
  const SourceRange range = node->sourceRange();
  const auto read = [](const SourceRange& range) -> std::vector<std::string> {
    if (range.source() == nullptr) return {};
    const auto& text = range.source()->text_str();
    const std::string mark = kMark;
    if (text.size() < mark.size() || text.substr(0, mark.size()).str() != mark) return {};
    return Split(text.str()).first;
  };
  auto marks = read(range);
  if (!marks.empty()) return marks;
  const auto original = range.findSourceRangeThatGenerated();
  return original ? read(*original) : marks;
}

using Marks = std::unordered_map<const Node*, std::vector<std::string>>;

struct Gift {
  std::string value, call, place;
};

std::vector<Gift> GiftsOf(const Node* node) {
  std::vector<Gift> gifts;
  if (!node->hasAttribute(GivesName())) return gifts;
  for (const std::string& text : node->ss(GivesName())) {
    std::istringstream words(text);
    Gift gift;
    words >> gift.value >> gift.call >> gift.place;
    gifts.push_back(std::move(gift));
  }
  return gifts;
}

void SetGifts(Node* node, const std::vector<Gift>& gifts) {
  std::vector<std::string> texts;
  for (const Gift& gift : gifts) texts.push_back(gift.value + " " + gift.call + " " + gift.place);
  node->ss_(GivesName(), texts);
}

void Give(Value* value, const std::string& call, const std::string& place) {
  Node* node = value->node();
  std::string name = kWhole;
  if (node->outputs().size() > 1) {
    name = kGiven + std::to_string(value->unique());
    value->setDebugName(name);
  }
  auto gifts = GiftsOf(node);
  gifts.push_back({name, call, place});
  SetGifts(node, gifts);
}

// Also in the branches of an `if`, which may be all that stays of it.
void GiveInside(Value* value, const std::string& call, const std::string& place) {
  Node* node = value->node();
  const bool inside = CallOf(node) == call || StartsWith(CallOf(node), (call + ".").c_str());
  if (!inside || node->kind() == c10::prim::Constant || node->kind() == c10::prim::GetAttr) return;
  Give(value, call, place);
  if (node->kind() != c10::prim::If) return;
  for (Block* block : node->blocks()) GiveInside(block->outputs()[value->offset()], call, place);
}

bool IsGivenAs(const Value* value, const std::string& name) { return name == kWhole || value->debugName() == name; }

void Tell(const Value* value, const std::string& call, const std::string& place, Marks& marks) {
  const Node* node = value->node();
  const std::string text = kGives + call + " " + place + " " + std::to_string(value->offset());
  auto& own = marks[node];
  if (std::find(own.begin(), own.end(), text) == own.end()) own.push_back(text);
  if (node->kind() != c10::prim::TupleConstruct) return;
  const size_t size = node->inputs().size();
  for (size_t i = 0; i < size; ++i) {
    const std::string element = std::to_string(i) + "/" + std::to_string(size);
    Tell(node->input(i), call, place == kWhole ? element : JoinPath(place, element), marks);
  }
}

// Of a branch that stays, the value behind it is what is given, not those in its blocks.
void TellGiven(Block* block, const std::vector<std::string>& around, Marks& marks) {
  for (Node* node : block->nodes()) {
    std::vector<std::string> inside = around;
    for (const Gift& gift : GiftsOf(node)) {
      if (std::find(around.begin(), around.end(), gift.call) != around.end()) continue;
      for (const Value* output : node->outputs()) {
        if (IsGivenAs(output, gift.value)) Tell(output, gift.call, gift.place, marks);
      }
      inside.push_back(gift.call);
    }
    for (Block* inner : node->blocks()) TellGiven(inner, inside, marks);
  }
}

}  // namespace

void SetScope(Node* node, const std::string& call) {
  // One level below a root of its own: a path is one name, not a tree.
  const auto root = c10::make_intrusive<torch::jit::Scope>();
  node->setScope(root->push(c10::Symbol::scope(call.empty() ? "." : call)));
}

std::string CallOf(const Node* node) {
  const auto scope = const_cast<Node*>(node)->scope();
  if (scope == nullptr || scope->isRoot() || scope->isBlank()) return "";
  const std::string name = scope->name().toUnqualString();
  return name == "." ? "" : name;
}

std::string ScopeOf(const Node* node) { return WithoutCalls(CallOf(node)); }

std::string WithoutCalls(const std::string& call) {
  std::string path;
  bool number = false;
  for (const char c : call) {
    if (c == '@') number = true;
    if (c == '.') number = false;
    if (!number) path += c;
  }
  return path;
}

std::string TrailOf(const Node* node) { return node->hasAttribute(TrailName()) ? node->s(TrailName()) : ""; }

void SetTrail(Node* node, const std::string& trail) {
  // (None is told by a constant that has no attributes.)
  if (node->kind() != c10::prim::Constant) node->s_(TrailName(), trail);
}

void SetGives(Value* value, const std::string& call) { GiveInside(value, call, kWhole); }

void MoveGives(Value* from, Value* to) {
  std::vector<Gift> kept;
  for (const Gift& gift : GiftsOf(from->node())) {
    if (IsGivenAs(from, gift.value)) {
      GiveInside(to, gift.call, gift.place);
    } else {
      kept.push_back(gift);
    }
  }
  if (from->node()->hasAttribute(GivesName())) SetGifts(from->node(), kept);
}

void RecallGiven(Node* node) {
  if (node->kind() == c10::prim::Constant) return;  // as in SetTrail
  for (const Given& given : GivenFromSource(node)) {
    std::string place;
    for (const auto& [element, size] : given.place) {
      place = JoinPath(place, std::to_string(element) + "/" + std::to_string(size));
    }
    Give(node->output(given.output), given.call, place.empty() ? kWhole : place);
  }
}

void KeepScopesInSource(Graph& graph, bool is_forward) {
  Marks given;
  TellGiven(graph.block(), {}, given);
  ForEachNode(graph.block(), [&given, is_forward](Node* node) {
    std::vector<std::string> marks = {kMark + CallOf(node)};
    const std::string trail = TrailOf(node);
    if (!trail.empty() && (!is_forward || trail.find('=') != std::string::npos)) marks.push_back(kTrail + trail);
    const auto own = given.find(node);
    if (own != given.end()) marks.insert(marks.end(), own->second.begin(), own->second.end());
    node->setSourceRange(MarkedRange(node->sourceRange(), marks));
    for (const c10::Symbol& name : {GivesName(), TrailName()}) {
      if (node->hasAttribute(name)) node->removeAttribute(name);
    }
    for (Value* output : node->outputs()) {
      if (StartsWith(output->debugName(), kGiven)) output->setDebugName("");
    }
  });
}

std::optional<std::string> ScopeFromSource(const Node* node) {
  const auto marks = MarksOf(node);
  if (marks.empty()) return std::nullopt;
  return marks[0].substr(std::string(kMark).size());
}

std::optional<std::string> TrailFromSource(const Node* node) {
  for (const std::string& mark : MarksOf(node)) {
    if (StartsWith(mark, kTrail)) return mark.substr(std::string(kTrail).size());
  }
  return std::nullopt;
}

std::vector<Given> GivenFromSource(const Node* node) {
  std::vector<Given> all;
  for (const std::string& mark : MarksOf(node)) {
    if (!StartsWith(mark, kGives)) continue;
    std::istringstream words(mark.substr(std::string(kGives).size()));
    Given given;
    std::string place;
    if (!(words >> given.call >> place >> given.output) || given.output >= node->outputs().size()) continue;
    std::istringstream levels(place == kWhole ? "" : place);
    for (std::string level; std::getline(levels, level, '.');) {
      const size_t slash = std::min(level.find('/'), level.size() - 1);
      given.place.emplace_back(std::strtoul(level.c_str(), nullptr, 10),
                               std::strtoul(level.c_str() + slash + 1, nullptr, 10));
    }
    all.push_back(std::move(given));
  }
  return all;
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
