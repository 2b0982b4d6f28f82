/** Whether a line tells a step of a build: `[12/34] …` where CMake drives ninja, `[ 35%] …` where it drives make. @param {string} line */
export const isStep = (line) => /^\s*\[\s*\d+(\/\d+|%)\]/.test(line)
