import { Prunable, prune, type ScriptModule, scope, type Tensor } from 'espalier'
import { describe, expect, it } from 'vitest'
import { masked } from '../support/masked.js'
import { network, type Shapes, uniform } from '../support/networks.js'
import { numbers } from '../torch/support.js'

/** Features `h` of `[2, 5, 12]`, of which nothing is left where a unit goes. */
const features = (norm: string) => `def forward(self, x: Tensor) -> Tensor:
  h = torch.linear(x, self.a, self.b)
${norm.replace(/^ */gm, '  ')}
  return torch.linear(y, self.o)`
const FEATURES = { a: [12, 6], b: [12], o: [3, 12], w: [12], v: [12] }

/** Images `h` of `[2, 12, 5, 4]`. */
const images = (norm: string) => `def forward(self, x: Tensor) -> Tensor:
  h = torch.conv2d(x, self.a, self.b)
${norm.replace(/^ */gm, '  ')}
  return torch.conv2d(y, self.o)`
const IMAGES = { a: [12, 3, 1, 1], b: [12], o: [3, 12, 1, 1], w: [12], v: [12] }

const OVER_FEATURES: Record<string, string> = {
  'layer norm': 'y = torch.layer_norm(h, [12], self.w, self.v)',
  'layer norm without a bias': 'y = torch.layer_norm(h, [12], self.w)',
  'layer norm without parameters': 'y = torch.layer_norm(h, [12])',
  'layer norm scaled by what the input says': `s = torch.linear(x, self.a)
    y = torch.layer_norm(h, [12]) * (1 + s) + s`,
  'layer norm by sizes': 'y = torch.layer_norm(h, [h.size(-1)], self.w, self.v, 1e-6)',
  'rms norm': 'y = torch.rms_norm(h, [12], self.w, 1e-5)',
  'rms norm with the eps of its dtype': 'y = torch.rms_norm(h, [12], self.w)',
  'rms norm without parameters': 'y = torch.rms_norm(h, [12], None, 1e-5)',
  'rms norm without parameters, eps of its dtype': 'y = torch.rms_norm(h, [12])',
  'rms norm, written out': 'y = h * torch.rsqrt(torch.mean(torch.pow(h, 2), [-1], True) + 1e-6) * self.w',
  'layer norm, written out with a variance': `v = torch.var(h, [-1], False, True)
    y = (h - torch.mean(h, [-1], True)) / torch.sqrt(v + 1e-5) * self.w + self.v`,
  'layer norm, written out with a standard deviation': `d = torch.std(h, [-1], True, True)
    y = self.w * (h - torch.mean(h, [-1], True)) / (d + 1e-6) + self.v`,
  'layer norm, written out with both': `v, m = torch.var_mean(h, [-1], correction=0, keepdim=True)
    y = (h - m) * torch.rsqrt(v + 1e-5) * self.w + self.v`,
  'layer norm, written out with squares': `d = h - torch.mean(h, [-1], True)
    y = d * torch.rsqrt(torch.mean(torch.pow(d, 2), [-1], True) + 1e-5) * self.w + self.v`,
  'layer norm, written out with products': `u = torch.mean(h, [-1], True)
    d = h - u
    y = (h - u) / torch.sqrt(torch.mean(d * d, [-1], True) + 1e-5) * self.w`,
  'layer norm, written out with torch.square': `d = h - torch.mean(h, [-1], True)
    y = d / torch.sqrt(torch.mean(torch.square(d), [-1], True) + 1e-5)`,
  'rows of length 1': 'y = h / torch.clamp_min(torch.norm(h, 2, [-1], True), 1e-12)',
  'a gate by the mean': 'y = h * torch.sigmoid(torch.mean(h, [-1], True))',
  'a gate by the mean of positions, too': 'y = h * torch.sigmoid(torch.mean(h, [1, 2], True))',
  'a mean over everything': 'y = h * torch.sigmoid(torch.mean(h))',
  'a mean that passes over NaNs': 'y = h * torch.sigmoid(torch.nanmean(h, [-1], True))',
}

const OVER_CHANNELS: Record<string, string> = {
  'group norm': 'y = torch.group_norm(h, 3, self.w, self.v)',
  'group norm without parameters': 'y = torch.group_norm(h, 3)',
  'group norm of one group': 'y = torch.group_norm(h, 1, self.w, self.v, 1e-6)',
  'group norm of images by position': 'y = torch.group_norm(h.permute([0, 2, 1, 3]).permute([0, 2, 1, 3]), 4, self.w)',
  'layer norm of all of an image': 'y = torch.layer_norm(h, [12, 5, 4])',
  'layer norm of channels, written out': `u = torch.mean(h, [1], True)
    s = torch.mean(torch.pow(h - u, 2), [1], True)
    y = self.w[:, None, None] * ((h - u) / torch.sqrt(s + 1e-6)) + self.v[:, None, None]`,
  'layer norm of an image, written out': `u = torch.mean(h, [1, 2, 3], True)
    d = h - u
    y = d / torch.sqrt(torch.mean(d * d, [1, 2, 3], True) + 1e-6) * self.w[:, None, None]`,
}

/** The mean of squares of what a mean was taken from. */
const WRITTEN_OUT = /d \* d|pow\(d|square\(d|h - u, 2/

/** Cuts, and cuts what came out: it computes what the model before does with zeros. */
async function staysExact(model: ScriptModule, x: Tensor, cuts: number): Promise<void> {
  for (let k = 0; k < cuts; k++) {
    const { small, plan, verification } = await prune(model, { inputs: [x], ratio: () => 0.5 })
    expect(plan.removed.length).toBeGreaterThan(0)
    expect(plan.approximate).toEqual([])
    for (const { error, dtype } of verification.passes) expect(error).toBeLessThan(dtype === 'float64' ? 1e-9 : 1e-3)
    const [got, wanted] = await Promise.all([small.forward(x), (await masked(model, plan.keep)).forward(x)])
    const expected = numbers(wanted as Tensor)
    const largest = Math.max(...expected.map(Math.abs))
    numbers(got as Tensor).forEach((value, i) => {
      expect(Math.abs(value - (expected[i] as number)) / largest).toBeLessThan(1e-5)
    })
    model = small
  }
}

describe('what computes over channels that are cut computes the same as with zeros', () => {
  const tables: [Record<string, string>, (norm: string) => string, Shapes, number[]][] = [
    [OVER_FEATURES, features, FEATURES, [2, 5, 6]],
    [OVER_CHANNELS, images, IMAGES, [2, 3, 5, 4]],
  ]
  for (const [table, source, parameters, shape] of tables) {
    it.each(Object.entries(table))('%s', async (_, norm) => {
      await scope(async () => {
        const used = Object.entries(parameters).filter(([name]) => source(norm).includes(`self.${name}`))
        await staysExact(
          await network(source(norm), Object.fromEntries(used)),
          uniform(shape),
          WRITTEN_OUT.test(norm) ? 1 : 2,
        )
      })
    })
  }
})

describe('what is not zero when dead', () => {
  const source = features('y = torch.layer_norm(torch.sigmoid(h), [12], self.w, self.v)')

  it('leaves only the norm over what is kept, and the plan names it', async () => {
    await scope(async () => {
      const { plan, verification } = await prune(await network(source, FEATURES), { inputs: [uniform([2, 5, 6])] })
      expect(plan.approximate).toMatchObject([{ operator: 'aten::layer_norm', dims: [2], size: 12 }])
      for (const { error } of verification.passes) expect(error).toBeLessThan(1e-9)
    })
  })

  it("is left alone by 'exact'", async () => {
    await scope(async () => {
      const { plan } = await prune(await network(source, FEATURES), { inputs: [uniform([2, 5, 6])], exact: true })
      expect(plan.removed).toEqual([])
    })
  })
})

describe('a layer norm that is written out with squares', () => {
  it('is cut again over what is kept: where its mean comes from is not seen any more', async () => {
    await scope(async () => {
      const source = features(OVER_FEATURES['layer norm, written out with squares'] as string)
      const inputs = [uniform([2, 5, 6])]
      const once = await prune(await network(source, FEATURES), { inputs })
      const twice = await prune(once.small, { inputs })
      expect([once, twice].map(({ plan }) => plan.approximate.length > 0)).toEqual([false, true])
      for (const { error } of twice.verification.passes) expect(error).toBeLessThan(1e-9)
    })
  })
})

describe("norms: 'kept'", () => {
  it('computes over what is kept, which another function is', async () => {
    await scope(async () => {
      const x = uniform([2, 5, 6])
      const model = await network(features(OVER_FEATURES['layer norm'] as string), FEATURES)
      const kept = await prune(model, { inputs: [x], norms: 'kept' })
      const exact = await prune(model, { inputs: [x] })
      expect(kept.plan.removed).toEqual(exact.plan.removed)
      expect([kept.plan.approximate.length, exact.plan.approximate.length]).toEqual([1, 0])
      const [a, b] = [
        numbers((await kept.small.forward(x)) as Tensor),
        numbers((await exact.small.forward(x)) as Tensor),
      ]
      expect(Math.max(...a.map((value, i) => Math.abs(value - (b[i] as number))))).toBeGreaterThan(1e-2)
    })
  })

  it('is an option of Prunable, whose groups tell of it', async () => {
    await scope(async () => {
      const model = await network(features(OVER_FEATURES['layer norm'] as string), FEATURES)
      const inputs = [uniform([2, 5, 6])]
      using kept = await Prunable.of(model, { inputs, norms: 'kept' })
      using exact = await Prunable.of(model, { inputs })
      expect(kept.analysis.groups.map((group) => group.exact)).toEqual([false])
      expect(kept.analysis.groups[0]?.approximation).toEqual(["aten::layer_norm in '' over dimension 2"])
      expect(exact.analysis.groups.map((group) => group.exact)).toEqual([true])
    })
  })
})
