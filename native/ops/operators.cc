// The operators, registered with LibTorch's dispatcher when this library is loaded: into Node by lib/torch/runtime,
// into Python by torch.ops.load_library. A device is somebody else's implementation of the same schema.
//
// `layout`, the index pairs and the slots of the arena are those that `reg_plan` gives (plan.h, layout.h).

#include "ops/operators.h"

#include <ATen/core/dispatch/Dispatcher.h>

#include "ops/plan.h"

namespace espalier::ops {
namespace {

constexpr const char* kSchemas[] = {
    // Which coefficient goes where; on the CPU, once. slices: int32 [k, 5] of tensor, dimension, coordinate, unit,
    // scored.
    "reg_plan(Tensor[] weights, Tensor slices, int units) -> (Tensor layout, Tensor scatter_begin, "
    "Tensor scatter_units, Tensor gather_begin, Tensor gather_slots)",
    // coefficients[slot] = sum of reg over the slot's units.
    "reg_scatter_(Tensor(a!) coefficients, Tensor reg, Tensor begin, Tensor units) -> ()",
    // Sums of |w|, w^2 or w * gradient for every slot, in one read.
    "norms(Tensor[] weights, Tensor layout, int slots, str norm, Tensor[]? gradients=None) -> Tensor",
    // Of each unit, for scores: the sum over its slices (as reg_plan takes them, all scored), float64. On the CPU all
    // of it is in double, on CUDA the sums of a tensor are in float. Weights of any dtype and order in memory.
    "unit_norms(Tensor[] weights, Tensor slices, int units, str norm, Tensor[]? gradients=None) -> Tensor",
    // Of each unit: the sum of its slots, in the order of the list.
    "unit_sums(Tensor norms, Tensor begin, Tensor slots) -> Tensor",
    // The growth rule, group by group (int32 [groups, 2] of first unit, number of units): I = sum / mean sum,
    // s = (max I - I) / (max I - min I + 1e-8), reg = min(reg + delta * s, ceiling). A group that is not finite is
    // skipped and counted. Gives I.
    "reg_grow_(Tensor(a!) reg, Tensor(b!) skipped, Tensor sums, Tensor groups, float delta, float ceiling) -> Tensor",
    // gradient += scale * coefficient * weight. No gradients given: those that the weights have; a penalised weight
    // without one gets one, of zero before. With the weights as gradients and scale = -lr: decoupled decay.
    "reg_apply_(Tensor(a!)[] gradients, Tensor[] weights, Tensor layout, Tensor coefficients, float scale=1.) -> ()",
    // No gradients given, here and below: those that the weights have; a penalised weight without one has zero, any
    // other is left as it is. torch.optim.SGD (dampening 0) with the penalty in the same pass. Velocities start at
    // zero; none
    // without momentum.
    "sgd_(Tensor(a!)[] weights, Tensor[] gradients, Tensor(b!)[] velocities, Tensor layout, Tensor coefficients, *, "
    "float lr, float momentum=0., float weight_decay=0., bool nesterov=False, bool decoupled=False) -> ()",
    // torch.optim.AdamW with the penalty in the same pass. Moments start at zero; step counts from 1.
    "adamw_(Tensor(a!)[] weights, Tensor[] gradients, Tensor(b!)[] means, Tensor(c!)[] squares, Tensor layout, "
    "Tensor coefficients, *, int step, float lr, float beta1=0.9, float beta2=0.999, float eps=1e-08, "
    "float weight_decay=0.01, bool decoupled=True) -> ()",
    // The losses, of one element each, as float64 on the CPU; throws where one of them, or an element of a gradient of
    // the weights, isn't finite. The one wait of a step, and before a call that writes the guard of its weights.
    "finite(Tensor[] losses, Tensor[] weights) -> Tensor",
    // Without gradients afterwards.
    "drop_gradients_(Tensor(a!)[] weights) -> ()",
};

// A process may hold two copies of the package: the first one's operators serve both.
bool Registered() { return c10::Dispatcher::singleton().findSchema({"espalier::reg_plan", ""}).has_value(); }

struct Registration {
  Registration() {
    if (Registered()) return;
    // Never freed: LibTorch's dispatcher may be gone before this library's destructors run.
    auto* schemas = new torch::Library(torch::Library::DEF, "espalier", std::nullopt, __FILE__, __LINE__);
    for (const char* schema : kSchemas) schemas->def(schema);
    auto* cpu = new torch::Library(torch::Library::IMPL, "espalier", c10::DispatchKey::CPU, __FILE__, __LINE__);
    cpu->impl("reg_plan", Plan);
    RegisterCpuSteps(*cpu);
    RegisterCpuNorms(*cpu);
    RegisterCpuGrowth(*cpu);
    auto* all = new torch::Library(torch::Library::IMPL, "espalier", c10::DispatchKey::CompositeExplicitAutograd,
                                   __FILE__, __LINE__);
    RegisterFinite(*all);
  }
};

const Registration registration;

}  // namespace
}  // namespace espalier::ops
