#include "archive/definitions.h"

#include <algorithm>
#include <string_view>

#include "archive/refusal.h"

namespace espalier::archive {
namespace {

using Edges = std::vector<std::vector<uint32_t>>;

// Levels of syntax that compiling a call is worth, in stack.
constexpr uint64_t kCallLevels = 4;
// Of all that is compiled at one time: 4 KB a level, with as much to spare (binding/deep_thread.h).
constexpr uint64_t kMostLevels = 32'768;
// LibTorch compares the fields of named tuples twice, and theirs in turn.
constexpr uint64_t kMostTuple = 100'000;

// Strongly connected components (Tarjan, without recursion): by node, numbered so that edges go to lower numbers.
std::vector<uint32_t> Components(const Edges& edges) {
  constexpr uint32_t kUnseen = UINT32_MAX;
  struct Visit {
    uint32_t node;
    size_t next;
  };
  std::vector<uint32_t> order(edges.size(), kUnseen), low(edges.size()), component(edges.size(), kUnseen), open;
  uint32_t seen = 0, found = 0;
  for (uint32_t start = 0; start < edges.size(); start++) {
    if (order[start] != kUnseen) continue;
    std::vector<Visit> path = {{start, 0}};
    while (!path.empty()) {
      auto& [node, next] = path.back();
      if (next == 0) {
        order[node] = low[node] = seen++;
        open.push_back(node);
      }
      if (next < edges[node].size()) {
        const uint32_t to = edges[node][next++];
        if (order[to] == kUnseen) {
          path.push_back({to, 0});
        } else if (component[to] == kUnseen) {
          low[node] = std::min(low[node], order[to]);
        }
        continue;
      }
      const uint32_t done = node;
      path.pop_back();
      if (!path.empty()) low[path.back().node] = std::min(low[path.back().node], low[done]);
      if (low[done] != order[done]) continue;
      uint32_t member;
      do {
        member = open.back();
        open.pop_back();
        component[member] = found;
      } while (member != done);
      found++;
    }
  }
  return component;
}

// The heaviest path; nodes that lean on one another in a circle all count.
uint64_t Heaviest(const std::vector<uint64_t>& weights, const Edges& edges) {
  const std::vector<uint32_t> component = Components(edges);
  std::vector<std::vector<uint32_t>> members(edges.size());
  for (uint32_t node = 0; node < edges.size(); node++) members[component[node]].push_back(node);
  std::vector<uint64_t> best(edges.size());
  uint64_t heaviest = 0;
  for (uint32_t own = 0; own < members.size(); own++) {
    uint64_t below = 0;
    for (const uint32_t node : members[own]) {
      best[own] += weights[node];
      for (const uint32_t to : edges[node]) {
        if (component[to] != own) below = std::max(below, best[component[to]]);
      }
    }
    best[own] += below;
    heaviest = std::max(heaviest, best[own]);
  }
  return heaviest;
}

struct Depth {
  uint64_t calls;   // definitions in a chain
  uint64_t levels;  // their syntax in all
};

Depth DepthOf(const Definition& definition) {
  std::unordered_map<std::string_view, std::vector<uint32_t>> by_name;
  for (uint32_t i = 0; i < definition.functions.size(); i++) by_name[definition.functions[i].name].push_back(i);
  Edges edges;
  std::vector<uint64_t> levels;
  for (const Function& function : definition.functions) {
    levels.push_back(function.nesting + kCallLevels);
    auto& to = edges.emplace_back();
    for (const std::string& name : function.calls) {
      if (const auto found = by_name.find(name); found != by_name.end()) {
        to.insert(to.end(), found->second.begin(), found->second.end());
      }
    }
  }
  const uint64_t calls = Heaviest(std::vector<uint64_t>(levels.size(), 1), edges);
  return {std::max<uint64_t>(calls, 1), Heaviest(levels, edges) + definition.nesting + kCallLevels};
}

}  // namespace

void CheckDefinitions(const std::vector<Definition>& definitions, const Limits& limits) {
  std::unordered_map<std::string_view, std::vector<uint32_t>> by_name;
  for (uint32_t i = 0; i < definitions.size(); i++) by_name[definitions[i].name].push_back(i);
  // `__torch__.a.B.method` is of what is defined as `__torch__.a.B`.
  const auto find = [&](std::string_view name) -> const std::vector<uint32_t>* {
    for (;;) {
      if (const auto found = by_name.find(name); found != by_name.end()) return &found->second;
      const size_t dot = name.rfind('.');
      if (dot == std::string_view::npos) return nullptr;
      name = name.substr(0, dot);
    }
  };
  Edges edges(definitions.size());
  std::vector<uint64_t> calls, levels;
  for (uint32_t i = 0; i < definitions.size(); i++) {
    for (const auto& [name, times] : definitions[i].uses) {
      if (const auto* found = find(name)) edges[i].insert(edges[i].end(), found->begin(), found->end());
    }
    const Depth depth = DepthOf(definitions[i]);
    calls.push_back(depth.calls);
    levels.push_back(depth.levels);
  }
  if (Heaviest(calls, edges) > limits.depth) {
    throw OverLimit("classes and functions of its program lean on one another in a chain of more than " +
                        std::to_string(limits.depth),
                    "depth");
  }
  if (Heaviest(levels, edges) > kMostLevels) {
    throw Damaged("its program is nested more than " + std::to_string(kMostLevels) + " deep in all");
  }

  const std::vector<uint32_t> component = Components(edges);
  std::vector<uint32_t> order(definitions.size());
  for (uint32_t i = 0; i < order.size(); i++) order[i] = i;
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return component[a] < component[b]; });
  std::vector<uint64_t> sizes(definitions.size(), 1);
  for (const uint32_t i : order) {
    if (!definitions[i].tuple) continue;
    for (const auto& [name, times] : definitions[i].uses) {
      const auto* found = find(name);
      if (found == nullptr) continue;
      for (const uint32_t to : *found) sizes[i] += 2 * std::min(times, kMostTuple) * sizes[to];
      if (sizes[i] > kMostTuple) throw Damaged("named tuples of its program hold one another too often");
    }
  }
}

}  // namespace espalier::archive
