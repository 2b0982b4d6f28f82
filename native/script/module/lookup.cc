#include "script/module/lookup.h"

#include <sstream>

namespace espalier::script {

using torch::jit::Module;

std::string JoinPath(const std::string& a, const std::string& b) {
  if (a.empty()) return b;
  return b.empty() ? a : a + "." + b;
}

Module ModuleAt(const Module& root, const std::string& path) {
  Module at = root;
  std::istringstream names(path);
  for (std::string name; std::getline(names, name, '.');) at = at.attr(name).toModule();
  return at;
}

std::optional<std::pair<std::string, std::string>> MethodAt(const Module& root, const std::string& name) {
  const size_t dot = name.rfind('.');
  const std::string path = dot == std::string::npos ? "" : name.substr(0, dot);
  const std::string method = dot == std::string::npos ? name : name.substr(dot + 1);
  Module at = root;
  std::istringstream names(path);
  for (std::string child; std::getline(names, child, '.');) {
    if (!at.hasattr(child) || !at.attr(child).isModule()) return std::nullopt;
    at = at.attr(child).toModule();
  }
  if (!at.find_method(method)) return std::nullopt;
  return std::pair(path, method);
}

}  // namespace espalier::script
