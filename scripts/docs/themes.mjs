/** Colours of the pictures: GitHub's, light and dark. */
export const THEMES = {
  light: {
    back: '#ffffff',
    text: '#1f2328',
    quiet: '#59636e',
    grid: '#d1d9e0',
    kept: '#0969da',
    gone: '#9a6700',
    line: '#1a7f37',
    cut: '#cf222e',
  },
  dark: {
    back: '#0d1117',
    text: '#f0f6fc',
    quiet: '#9198a1',
    grid: '#3d444d',
    kept: '#4493f8',
    gone: '#d29922',
    line: '#3fb950',
    cut: '#f85149',
  },
}
