#include "script/edits/sources.h"

#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/frontend/error_report.h>
#include <torch/csrc/jit/passes/inliner.h>
#include <torch/jit.h>

#include <algorithm>
#include <cctype>
#include <set>
#include <sstream>
#include <utility>

#include "script/error.h"
#include "script/graph/scope.h"
#include "script/graph/walk.h"

namespace espalier::script {

using c10::IValue;
using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;

namespace {

constexpr const char* kFunction = "rewrite";

bool IsLetter(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

bool IsIdentifier(const std::string& name) {
  return !name.empty() && std::isdigit(static_cast<unsigned char>(name[0])) == 0 &&
         std::all_of(name.begin(), name.end(), IsLetter);
}

// All names in a text, and more.
std::set<std::string> Words(const std::string& text) {
  std::set<std::string> words;
  std::string word;
  for (const char c : text + ' ') {
    if (IsLetter(c)) {
      word += c;
    } else if (!word.empty()) {
      words.insert(std::exchange(word, ""));
    }
  }
  return words;
}

struct Parameter {
  std::string name;
  c10::TypePtr type;
};

// Without a fixed shape: the function is compiled for all that have the type.
std::string Annotated(const Parameter& parameter) {
  return parameter.name + ": " + c10::unshapedType(parameter.type)->annotation_str();
}

[[noreturn]] void Refuse(const Node* node, const std::string& why, const std::string& detail = "") {
  throw Error("ERR_INVALID_ARGUMENT",
              std::string(node->kind().toQualString()) + " in '" + ScopeOf(node) + "' can't be rewritten: " + why,
              detail);
}

std::string FunctionOf(const std::vector<Parameter>& parameters, const std::string& body) {
  std::ostringstream text;
  text << "def " << kFunction << '(';
  for (size_t i = 0; i < parameters.size(); ++i) text << (i == 0 ? "" : ", ") << Annotated(parameters[i]);
  text << "):\n";
  std::istringstream lines(body);
  for (std::string line; std::getline(lines, line);) text << "  " << line << '\n';
  return text.str();
}

std::shared_ptr<Graph> Compiled(const Node* node, const std::string& source) {
  try {
    const auto unit = torch::jit::compile(source);
    auto graph = torch::jit::toGraphFunction(unit->get_function(kFunction)).graph()->copy();
    torch::jit::Inline(*graph);
    return graph;
  } catch (const std::exception& error) {
    Refuse(node, "its source does not compile: " + FirstLine(error.what()), error.what());
  }
}

}  // namespace

std::vector<Value*> Sources::Insert(Node* node, const CutRequest::Rewrite& rewrite,
                                    const std::function<void(Node*)>& follow) {
  const auto* schema = node->maybeSchema();
  if (schema == nullptr || !node->blocks().empty()) Refuse(node, "it is no operator");
  const std::set<std::string> words = Words(rewrite.source);
  std::vector<Parameter> parameters;
  std::vector<Value*> arguments;
  for (size_t i = 0; i < node->inputs().size() && i < schema->arguments().size(); ++i) {
    const std::string& name = schema->arguments()[i].name();
    if (rewrite.values.contains(name)) Refuse(node, "'" + name + "' is an argument and a value");
    if (!words.contains(name)) continue;
    parameters.push_back({name, node->input(i)->type()});
    arguments.push_back(node->input(i));
  }
  Graph& graph = *node->owningGraph();
  torch::jit::WithInsertPoint guard(node);
  for (const auto& [name, value] : rewrite.values) {
    if (!IsIdentifier(name)) Refuse(node, "'" + name + "' is no name of a value");
    Value* constant = graph.insertConstant(value, node->sourceRange());
    follow(constant->node());
    parameters.push_back({name, constant->type()});
    arguments.push_back(constant);
  }
  const std::string source = FunctionOf(parameters, rewrite.source);
  auto& function = compiled_[source];
  if (function == nullptr) function = Compiled(node, source);
  Node* before = node->prev();
  std::vector<Value*> results = torch::jit::insertGraph(graph, *function, arguments);
  ForEachNode(before->next(), node, [&](Node* made) {
    made->setSourceRange(node->sourceRange());
    follow(made);
  });
  const size_t outputs = node->outputs().size();
  if (outputs != 1) {
    const auto tuple = results.at(0)->type()->cast<c10::TupleType>();
    if (tuple == nullptr || tuple->elements().size() != outputs) {
      Refuse(node, "it gives " + std::to_string(outputs) + " values, and its source " + results[0]->type()->repr_str());
    }
    Node* unpack = graph.insertNode(graph.createTupleUnpack(results[0]));
    unpack->setSourceRange(node->sourceRange());
    follow(unpack);
    results = unpack->outputs().vec();
  }
  for (size_t i = 0; i < outputs; ++i) {
    const auto wanted = c10::unshapedType(node->output(i)->type());
    if (results[i]->type()->isSubtypeOf(*wanted)) continue;
    Refuse(node, "it gives " + wanted->repr_str() + ", and its source " + results[i]->type()->repr_str());
  }
  return results;
}

}  // namespace espalier::script
