#include "script/methods/install.h"

#include <torch/csrc/jit/api/compilation_unit.h>
#include <torch/csrc/jit/api/function_impl.h>

#include <set>
#include <sstream>

#include "script/edits/graph_edits.h"
#include "script/graph/prepare.h"
#include "script/module/lookup.h"

namespace espalier::script {

using torch::jit::Function;
using torch::jit::Graph;
using torch::jit::Module;
using torch::jit::Node;
namespace attr = c10::attr;
namespace prim = c10::prim;

namespace {

void CollectModuleTypes(const c10::ivalue::Object& object, std::set<c10::ClassTypePtr>& types, int depth) {
  if (depth > 500 || !object.type()->is_module()) return;
  types.insert(object.type());
  for (size_t i = 0; i < object.type()->numAttributes(); ++i) {
    const auto& value = object.getSlot(i);
    if (value.isObject()) CollectModuleTypes(value.toObjectRef(), types, depth + 1);
  }
}

// The methods that stay, with all that they call.
class Needed {
 public:
  Needed(const std::set<c10::ClassTypePtr>& types, const std::set<Function*>& fresh) : types_(types), fresh_(fresh) {}

  void Add(Function* method) {
    if (fresh_.contains(method) || !methods_.insert(method).second) return;
    auto* function = torch::jit::tryToGraphFunction(*method);
    if (function != nullptr) Calls(*function->graph());
  }
  void Calls(Graph& graph) {
    for (Node* node : NodesInOrder(graph)) {
      if (node->hasAttribute(attr::Subgraph)) Calls(*node->g(attr::Subgraph));
      if (node->kind() != prim::CallMethod) continue;
      const std::string& name = node->s(attr::name);
      const auto owner = node->input(0)->type()->cast<c10::ClassType>();
      // Of an interface any module may be meant.
      for (const auto& type : types_) {
        Function* method = owner == nullptr || *owner == *type ? type->findMethod(name) : nullptr;
        if (method != nullptr) Add(method);
      }
    }
  }
  bool Has(Function* method) const { return methods_.contains(method); }

 private:
  const std::set<c10::ClassTypePtr>& types_;
  const std::set<Function*>& fresh_;
  std::set<Function*> methods_;
};

}  // namespace

void InstallMethods(Module& module, const std::vector<NewMethod>& methods) {
  std::set<c10::ClassTypePtr> types;
  CollectModuleTypes(*module._ivalue(), types, 0);
  // Only a fresh function runs a new graph: an edit of one that has run is silently ignored.
  struct Fresh {
    c10::ClassTypePtr type;
    c10::QualifiedName name;
    c10::FunctionSchema schema;
    std::shared_ptr<Graph> graph;
  };
  std::vector<Fresh> made;
  std::set<Function*> replaced;
  for (const NewMethod& method : methods) {
    if (method.graph == nullptr) continue;
    const auto type = ModuleAt(module, method.path).type();
    Function& old = type->getMethod(method.name);
    replaced.insert(&old);
    made.push_back({type, old.qualname(), old.getSchema(), method.graph});
  }
  Needed needed(types, replaced);
  for (const NewMethod& method : methods) {
    if (method.graph == nullptr) {
      needed.Add(&ModuleAt(module, method.path).type()->getMethod(method.name));
    } else {
      needed.Calls(*method.graph);
    }
  }
  // The hooks of a class are about its `forward`, without which its file can't be read.
  for (const auto& type : types) {
    Function* forward = type->findMethod("forward");
    const bool hooked = !type->getForwardHooks().empty() || !type->getForwardPreHooks().empty();
    if (!hooked || forward == nullptr || needed.Has(forward) || replaced.contains(forward)) continue;
    auto graph = torch::jit::toGraphFunction(*forward).graph()->copy();
    CloseGraph(*graph, "forward");
    made.push_back({type, forward->qualname(), forward->getSchema(), graph});
  }
  const auto unit = module._ivalue()->compilation_unit();
  for (const auto& type : types) {
    for (auto* method : std::vector<Function*>(type->methods())) {
      if (needed.Has(method)) continue;
      const c10::QualifiedName stale = method->qualname();
      type->unsafeRemoveMethod(method->name());
      unit->unsafeRemoveMethod(stale);
    }
  }
  for (const Fresh& fresh : made) {
    auto* function = unit->create_function(fresh.name, fresh.graph);
    function->setSchema(fresh.schema);
    fresh.type->addMethod(function);
  }
}

}  // namespace espalier::script
