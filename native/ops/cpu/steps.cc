// Penalty and optimizer steps: fixed-size pieces of all tensors together, in parallel.

#include <cmath>

#include "ops/cpu/batch.h"
#include "ops/operators.h"

namespace espalier::ops {

namespace {

void RegApply(at::TensorList gradients, at::TensorList weights, const at::Tensor& layout,
              const at::Tensor& coefficients, double scale) {
  Batch batch(weights, layout, coefficients);
  Tensors alongside;
  const std::vector<at::Tensor> onto = batch.SetGradients(gradients, weights, alongside);
  ForChunks(batch, [&](const Loops& loops, const Weights& own, int64_t begin, int64_t end) {
    loops.apply(own, begin, end, scale);
  });
  for (const Alongside& gradient : alongside) gradient.WriteBack();
  Written(onto);
  GiveGradients(gradients, weights, onto);
}

void Sgd(at::TensorList weights, at::TensorList gradients, at::TensorList velocities, const at::Tensor& layout,
         const at::Tensor& coefficients, double lr, double momentum, double weight_decay, bool nesterov,
         bool decoupled) {
  Batch batch(weights, layout, coefficients);
  Tensors alongside;
  batch.SetGradients(gradients, weights, alongside);
  const Tensors kept = momentum == 0 ? Tensors{} : AllAlongside(velocities, weights, "velocity");
  batch.Set(&Weights::first, kept);
  const SgdRule rule{lr, momentum, weight_decay, nesterov, decoupled};
  ForChunks(batch, [&](const Loops& loops, const Weights& own, int64_t begin, int64_t end) {
    loops.sgd(own, begin, end, rule);
  });
  for (const Alongside& velocity : kept) velocity.WriteBack();
  Written(weights);
  Written(velocities);
}

void Adamw(at::TensorList weights, at::TensorList gradients, at::TensorList means, at::TensorList squares,
           const at::Tensor& layout, const at::Tensor& coefficients, int64_t step, double lr, double beta1,
           double beta2, double eps, double weight_decay, bool decoupled) {
  CheckStep(step);
  Batch batch(weights, layout, coefficients);
  Tensors alongside;
  batch.SetGradients(gradients, weights, alongside);
  const Tensors first = AllAlongside(means, weights, "first moment");
  const Tensors second = AllAlongside(squares, weights, "second moment");
  batch.Set(&Weights::first, first);
  batch.Set(&Weights::second, second);
  const AdamwRule rule{lr,       beta1, beta2, eps, weight_decay, 1 - std::pow(beta1, step), 1 - std::pow(beta2, step),
                       decoupled};
  ForChunks(batch, [&](const Loops& loops, const Weights& own, int64_t begin, int64_t end) {
    loops.adamw(own, begin, end, rule);
  });
  for (const Tensors* moments : {&first, &second}) {
    for (const Alongside& moment : *moments) moment.WriteBack();
  }
  for (at::TensorList written : {weights, means, squares}) Written(written);
}

}  // namespace

void RegisterCpuSteps(torch::Library& library) {
  library.impl("reg_apply_", RegApply);
  library.impl("sgd_", Sgd);
  library.impl("adamw_", Adamw);
}

}  // namespace espalier::ops
