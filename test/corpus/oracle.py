"""Judges cuts: is the pruned model the original with the removed slices zeroed?

It shares nothing with the code that it judges. It reads the original `.pt`, the kept indices of the manifest and the
pruned `.pt`, and zeroes the removed slices by itself: producer rows and biases, affine parameters, consumer columns;
buffers stay. One JSON request a line on stdin, one JSON answer a line on stdout for every cut of the request:

    {"original": FILE, "io": {"header": FILE, "data": FILE}, "reference": FILE?, "cuts": [
        {"id": ANY, "pruned": FILE, "manifest": FILE}, ...]}

    {"id": ANY, "ok": bool, "problems": [str], "error": float, "sensitivity": float, "double": bool, "batch2": bool?,
     "size2": bool?, "params": [before, after], "runs": [...], "ms": int}

A trace taken in train mode computes something else in eval mode, so it can't be its own measure: `reference` then
names a trace of the same network taken in eval mode. It gets the original's parameters and buffers by name, and with
them it must give the outputs in io/.

Every run starts from the state in the file and with the same random numbers. Models whose weights are half as wide are
compared in their own dtype and, with every cast to a narrower one taken out, in float64.
"""

import contextlib
import hashlib
import json
import os
import sys
import time
import warnings

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from inputs import copies, other_batch, other_size, read_io, seeded_like
from kept_norms import KeptNorms
from refill import refill
from tensors import buffers_of, difference, equal, first_difference, flatten, select, tensors_of, words

# Largest |masked - pruned| over largest |masked|. In half precision: a few roundings.
HALVES = (torch.float16, torch.bfloat16)
TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-5, **{dtype: 8 * torch.finfo(dtype).eps for dtype in HALVES}}
# Largest |masked - pruned| over what the mask itself changes: equality of two things that hardly matter proves nothing.
SENSITIVITY_SHARE = 1e-3
# A mask that changes less of a refilled model's output than this leaves the question open, and open is not passed.
LEAST_SENSITIVITY = 1e-6
# Weights that saturate what is behind them leave it open; smaller ones are tried then.
REFILLS = (1, 0.5, 0.25, 0.1)
# The references in io/ were computed by another version of torch, in float32 or narrower.
REFERENCE_TOLERANCE = {torch.float32: 1e-4, **{dtype: TOLERANCE[dtype] for dtype in HALVES}}


def main():
    warnings.filterwarnings("ignore")
    torch.set_num_threads(int(os.environ.get("ORACLE_THREADS", "1")))
    torch.set_grad_enabled(False)
    # The profiling executor spends seconds on the first runs of a big scripted model; unoptimized, every operator runs as
    # the program says.
    torch._C._jit_set_profiling_executor(False)
    torch._C._set_graph_executor_optimize(False)
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        request = json.loads(line)
        for answer in judge(request):
            print(json.dumps(answer), file=answers, flush=True)


def judge(request):
    """One answer for every cut. An exception is an answer too: the pruned model did not do what it should."""
    started = time.time()
    answers = [Answer(cut) for cut in request["cuts"]]
    try:
        judge_together(request, answers)
    except Exception as error:
        for answer in answers:
            answer.problem(f"the original: {words(error)}")
    for answer in answers:
        yield answer.to_json(round((time.time() - started) * 1000))


def judge_together(request, answers):
    """Cuts of one original share its runs: (weights of the file | refilled) x (own dtype | float64) x inputs."""
    original = load(request["original"])
    graph = with_state_of(load(request["reference"]), original) if request.get("reference") else original
    inputs, outputs = read_io(request["io"])
    program = Program(graph, inputs)
    if not program.random:
        distance, _ = difference(program(inputs), outputs)
        if not distance <= REFERENCE_TOLERANCE[program.dtype]:
            raise ValueError(f"it gives other outputs than io/, relative error {distance:.2g}")
    examples = [("io", inputs)] + [(f"seed {seed}", seeded_like(inputs, seed)) for seed in (1, 2)]
    other = other_batch(program, inputs, outputs)
    if other is not None:
        examples.append(("batch 2", other))
    larger = other_size(program, inputs)
    if larger is not None:
        examples.append(("size 2", larger))
    doubles = allows_double(program, inputs)
    dtypes = (program.dtype, torch.float64) if doubles else (program.dtype,)
    for answer in answers:
        answer.attempt("loading", lambda: answer.open(program))
        answer.double = doubles
        answer.others = {name: answer.pruned is not None for name, _ in examples if name in ("batch 2", "size 2")}

    compare_all(program, answers, examples, "file", dtypes)
    seed = int(hashlib.sha256(os.path.basename(request["original"]).encode()).hexdigest()[:8], 16)
    unclear = answers
    for k, scale in enumerate(REFILLS):
        refill(graph, seed + k, scale)
        for answer in unclear:
            answer.forget("refilled")
            answer.attempt("refilling", lambda: answer.copy_kept(graph))
        compare_all(program, unclear, examples, "refilled", dtypes)
        unclear = [answer for answer in unclear if any("inconclusive" in problem for problem in answer.problems)]
        if not unclear:
            break


def compare_all(program, answers, examples, weights, dtypes):
    for dtype in dtypes:
        with program.in_dtype(dtype):
            full = {name: program(x) for name, x in examples}
            for answer in answers:
                what = f"{weights} weights, {str(dtype)[6:]}"
                answer.attempt(what, lambda: answer.compare(program, full, examples, weights, dtype))


class Program:
    """A module that runs from the same state and with the same random numbers every time, in a dtype of choice."""

    def __init__(self, module, inputs=None, like=None):
        self.module = module
        self.own = {name: tensor.dtype for name, tensor in tensors_of(module).items()}
        widths = {dtype for dtype in self.own.values() if dtype.is_floating_point}
        self.dtype = next((dtype for dtype in HALVES if dtype in widths), torch.float32)
        self.current = self.dtype
        self.stateful = like.stateful if like else self.changes(inputs)
        self.random = like.random if like else self.differs(inputs)

    def __call__(self, inputs, seed=0, modes=()):
        run = self.module._c.__deepcopy__({})._get_method("forward") if self.stateful else self.module
        torch.manual_seed(seed)
        promoted = [Promote()] if self.current == torch.float64 and self.dtype in HALVES else []
        with contextlib.ExitStack() as stack:
            for mode in [*promoted, *modes]:
                stack.enter_context(mode)
            return flatten(run(*self.prepared(inputs)))

    def prepared(self, inputs):
        wide = self.current == torch.float64
        return [tensor.double() if wide and tensor.is_floating_point() else tensor.clone() for tensor in inputs]

    @contextlib.contextmanager
    def in_dtype(self, dtype):
        try:
            self.cast({name: dtype if dtype == torch.float64 and own.is_floating_point else own for name, own in self.own.items()})
            self.current = dtype
            yield
        finally:
            self.current = self.dtype
            self.cast(self.own)

    def cast(self, dtypes):
        # In place: a scripted LSTM holds its weights a second time, in a list.
        for name, tensor in tensors_of(self.module).items():
            tensor.data = tensor.data.to(dtypes[name])

    def changes(self, inputs):
        """Whether a second run from where the first has ended gives something else, or leaves another state."""
        copy = self.module._c.__deepcopy__({})
        before = {name: tensor.clone() for name, tensor in buffers_of(copy)}
        outputs = []
        for _ in range(2):
            torch.manual_seed(0)
            outputs.append(flatten(copy._get_method("forward")(*copies(inputs))))
        same = all(torch.equal(tensor, before[name]) for name, tensor in buffers_of(copy))
        return not same or not equal(*outputs)

    def differs(self, inputs):
        return not equal(self(inputs, seed=0), self(inputs, seed=1))


class Promote(TorchDispatchMode):
    """Whatever asks for a narrower float gets float64."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if kwargs.get("dtype") in (*HALVES, torch.float32):
            kwargs["dtype"] = torch.float64
        return function(*args, **kwargs)


class Answer:
    """What there is to say of one cut."""

    def __init__(self, cut):
        self.cut, self.problems, self.runs = cut, [], []
        self.pruned, self.params, self.double, self.others = None, None, False, {}

    def problem(self, text):
        self.problems.append(text)

    def attempt(self, what, work):
        if self.pruned is None and what != "loading":
            return
        try:
            work()
        except Exception as error:
            self.problem(f"{what}: {words(error)}")

    def forget(self, weights):
        """What runs with these weights have shown."""
        self.problems = [problem for problem in self.problems if not problem.startswith(weights)]
        self.runs = [run for run in self.runs if run["weights"] != weights]

    def open(self, program):
        """Loads the cut and compares what can be compared without running it: names, order, shapes, kept values."""
        graph = program.module
        with open(self.cut["manifest"], encoding="utf-8") as file:
            manifest = json.load(file)
        if manifest.get("schema") != 1:
            self.problem(f"schema {manifest.get('schema')} of the manifest is not 1")
        self.norms = manifest.get("approximate", [])
        self.keep, self.directions = kept_indices(manifest, graph), manifest.get("directions", {})
        pruned = load(self.cut["pruned"])
        before, after = graph.state_dict(), pruned.state_dict()
        if list(before) != list(after):
            self.problem(f"other names or another order in the state_dict: {first_difference(list(before), list(after))}")
            return
        for name, tensor in before.items():
            expected = select(tensor, self.keep.get(name, {}))
            if expected.shape != after[name].shape:
                self.problem(f"{name} has shape {list(after[name].shape)} where the manifest says {list(expected.shape)}")
            elif tensor.is_floating_point() and not torch.equal(expected, after[name]):
                self.problem(f"{name} does not hold the kept slices of the original")
        self.params = [count_parameters(graph), count_parameters(pruned)]
        if manifest.get("params") != self.params:
            self.problem(f"the manifest counts {manifest.get('params')} parameters, the files hold {self.params}")
        if self.params[1] >= self.params[0]:
            self.problem("nothing was removed")
        self.pruned = Program(pruned, like=program)

    def copy_kept(self, graph):
        target = tensors_of(self.pruned.module)
        for name, tensor in tensors_of(graph).items():
            if tensor.is_floating_point():
                target[name].copy_(select(tensor, self.keep.get(name, {})))

    def compare(self, program, full, examples, weights, dtype):
        masked = run_masked(program, self.keep, self.directions, self.norms, examples)
        with self.pruned.in_dtype(dtype):
            cut = {name: caught(self.pruned, inputs) for name, inputs in examples}
        strictest = dtype == torch.float64 or not self.double
        for name, small in cut.items():
            where = f"{weights} weights, {str(dtype)[6:]}, {name}"
            try:
                if isinstance(small, Exception):
                    raise small
                error, size = difference(small, masked[name])
            except Exception as failure:
                error = float("inf")
                self.problem(f"{where}: {words(failure)}")
            if name in self.others and not error <= TOLERANCE[dtype]:
                self.others[name] = False
            if error == float("inf"):
                continue
            sensitivity, _ = difference(full[name], masked[name])
            self.runs.append({"weights": weights, "dtype": str(dtype)[6:], "input": name, "error": error, "sensitivity": sensitivity, "size": size})
            if not error <= TOLERANCE[dtype]:
                self.problem(f"{where}: relative error {error:.2g}")
            elif strictest and not error <= SENSITIVITY_SHARE * sensitivity:
                self.problem(f"{where}: relative error {error:.2g} where the mask changes only {sensitivity:.2g}")
            elif strictest and weights == "refilled" and not sensitivity >= LEAST_SENSITIVITY:
                self.problem(f"{where}: inconclusive, the mask changes only {sensitivity:.2g}")

    def to_json(self, ms):
        runs = [run for run in self.runs if (run["dtype"] == "float64") == self.double]
        return {
            "id": self.cut["id"], "ok": not self.problems, "problems": self.problems, "params": self.params,
            "error": max((run["error"] for run in runs), default=None),
            "sensitivity": min((run["sensitivity"] for run in runs if run["weights"] == "refilled"), default=None),
            "double": self.double, "batch2": self.others.get("batch 2"), "size2": self.others.get("size 2"),
            "runs": self.runs, "ms": ms,
        }


def load(path):
    return torch.jit.load(path, map_location="cpu").eval()


def with_state_of(graph, source):
    if list(graph.state_dict()) != list(source.state_dict()):
        raise ValueError("the reference has other parameters or buffers")
    given = tensors_of(source)
    for name, tensor in tensors_of(graph).items():
        tensor.copy_(given[name])
    return graph


def count_parameters(module):
    return sum(tensor.numel() for tensor in {tensor.data_ptr(): tensor for tensor in module.parameters()}.values())


def kept_indices(manifest, graph):
    """{name: {dim: index tensor}}, checked; tied names follow the name that the manifest uses."""
    tensors, keep = tensors_of(graph), {}
    for name, dims in manifest["keep"].items():
        for dim, indices in dims.items():
            size = tensors[name].shape[int(dim)]
            if not indices or any(b <= a for a, b in zip(indices, indices[1:])) or indices[0] < 0 or indices[-1] >= size:
                raise ValueError(f"indices kept of {name}, dimension {dim} are not rising within 0..{size - 1}")
            keep.setdefault(name, {})[int(dim)] = torch.tensor(indices)
    by_storage = {(tensors[name].data_ptr(), tensors[name].shape): dims for name, dims in keep.items()}
    for name, tensor in tensors.items():
        if tensor.numel() and name not in keep and (tensor.data_ptr(), tensor.shape) in by_storage:
            keep[name] = by_storage[(tensor.data_ptr(), tensor.shape)]
    return keep


def caught(program, inputs):
    try:
        return program(inputs)
    except Exception as error:
        return error


def run_masked(program, keep, directions, norms, examples):
    """Runs the original with every removed slice of its parameters at zero, and puts the weights back.

    Zero is no direction: slices that a weight norm divides by their length stay, their scales are zeroed.
    """
    parameters = {name: tensor for name, tensor in program.module.named_parameters() if name in keep}
    saved = {name: tensor.clone() for name, tensor in parameters.items()}
    try:
        for name, tensor in parameters.items():
            for dim, indices in keep[name].items():
                if dim in directions.get(name, []):
                    continue
                removed = torch.ones(tensor.shape[dim], dtype=torch.bool).index_fill_(0, indices, False).nonzero().flatten()
                tensor.index_fill_(dim, removed, 0)
        outputs = {}
        for name, inputs in examples:
            mode = KeptNorms(norms)
            outputs[name] = program(inputs, modes=[mode])
            mode.check()
        return outputs
    finally:
        for name, tensor in parameters.items():
            tensor.copy_(saved[name])


def allows_double(program, inputs):
    """Whether all of it is computed in float64 once weights and inputs are: many traces hold `to(float32)`."""

    class Watch(TorchDispatchMode):
        narrowed = False

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            result = function(*args, **(kwargs or {}))
            if any(t.dtype == torch.float64 for t in flatten(args)) and any(
                t.is_floating_point() and t.dtype != torch.float64 for t in flatten(result)
            ):
                self.narrowed = True
            return result

    try:
        with program.in_dtype(torch.float64):
            watch = Watch()
            outputs = program(inputs, modes=[watch])
        return not watch.narrowed and all(t.dtype == torch.float64 for t in outputs if t.is_floating_point())
    except Exception:
        return False


if __name__ == "__main__":
    main()
