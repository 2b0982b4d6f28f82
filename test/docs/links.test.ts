import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ROOT } from './docstrings.js'
import { anchorsOf, brokenLinks, targetsOf } from './links.js'
import { PAGES, textOf } from './pages/blocks.js'

const ALL = [...PAGES, 'CONTRIBUTING.md', 'CHANGELOG.md']

/** Whether a path is in a package that has these `files`; the last one that fits decides. */
function ships(files: readonly string[], path: string): boolean {
  const fits = (file: string) => path === file || path.startsWith(`${file}/`)
  return files.findLast((file) => fits(file.replace(/^!/, '')))?.startsWith('!') === false
}

describe('the links of', () => {
  it.each(ALL)('%s lead somewhere', (page) => {
    expect(brokenLinks(page, textOf(page))).toEqual([])
  })

  it('the README lead, in some steps, to every page', () => {
    const seen = new Set<string>()
    const visit = (page: string) => {
      if (seen.has(page)) return
      seen.add(page)
      for (const target of targetsOf(textOf(page))) {
        const [path = ''] = target.split('#')
        if (path.endsWith('.md') && !/^[a-z]+:/.test(path)) visit(join(page, '..', path))
      }
    }
    visit('README.md')
    expect(PAGES.filter((page) => !seen.has(page))).toEqual([])
  })

  it('all pages lead to what the package ships', () => {
    const { files } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { files: string[] }
    const outside = ALL.flatMap((page) =>
      targetsOf(textOf(page))
        .filter((target) => !/^(https:|#)/.test(target))
        .map((target) => join(page, '..', target.split('#')[0]!))
        .filter((path) => !ships(files, path))
        .map((path) => `${page}: ${path}`),
    )
    expect(outside).toEqual([])
  })
})

describe('the check of links', () => {
  const planted = { 'docs/other.md': '# Other\n\n## What it does\n\n## What it does\n', 'docs/picture.svg': '' }
  const read = (path: string) => planted[path as keyof typeof planted]
  const broken = (link: string) =>
    brokenLinks('docs/page.md', `# Page\n\n${link}\n`, read).map((line) => line.split(': ').at(-1))

  it('lets through what is there', () => {
    const good =
      '[a](other.md) [b](other.md#what-it-does-1) [c](#page) [d](https://example.org/) <img src="picture.svg"> `[no](link.md)`'
    expect(broken(good)).toEqual([])
    expect(broken('```sh\necho "[no](link.md)"\n```')).toEqual([])
  })

  it.each([
    ['[a](others.md)', 'there is no such file'],
    ['[a](other.md#what-it-did)', 'there is no such heading'],
    ['[a](#pages)', 'there is no such heading'],
    ['![a](picture.png)', 'there is no such file'],
    ['<source srcset="dark.svg">', 'there is no such file'],
    ['[a](http://example.org)', 'not an https address'],
    ['[a](../../elsewhere.md)', 'outside of the repository'],
  ])('notices %s', (link, reason) => {
    expect(broken(link)).toEqual([reason])
  })

  it('knows what a package ships, and what it leaves out of that', () => {
    const { files } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { files: string[] }
    const paths = ['examples', 'examples/own-loop.ts', 'examples/demo.ts', 'lib/index.ts', 'docs/quality.md']
    expect(paths.filter((path) => ships(files, path))).toEqual(['examples', 'examples/own-loop.ts', 'docs/quality.md'])
  })

  it('names headings as GitHub does', () => {
    const page = '# `npm run` & more\n\n## What it costs, and what it keeps\n\n```sh\n# no heading\n```\n'
    expect([...anchorsOf(page)]).toEqual(['npm-run--more', 'what-it-costs-and-what-it-keeps'])
  })
})
