#include "script/module/interfaces.h"

#include <map>
#include <string>
#include <utility>

#include "script/error.h"

namespace espalier::script {

using torch::jit::Module;

void MakeConcrete(Module& module) {
  std::map<std::pair<c10::ClassTypePtr, std::string>, c10::ClassTypePtr> classes;
  for (const Module& owner : module.modules()) {
    const auto type = owner.type();
    for (size_t i = 0; i < type->numAttributes(); ++i) {
      if (!type->getAttribute(i)->cast<c10::InterfaceType>()) continue;
      const std::string& name = type->getAttributeName(i);
      const auto there = owner.attr(name).toObject()->type();
      const auto [found, first] = classes.try_emplace({type, name}, there);
      if (!first && *found->second != *there) {
        throw Error("ERR_UNSUPPORTED", "Modules of one class have different classes behind the interface of '" + name +
                                           "', which can't be cut");
      }
    }
  }
  for (const auto& [attribute, there] : classes) attribute.first->unsafeChangeAttributeType(attribute.second, there);
}

}  // namespace espalier::script
