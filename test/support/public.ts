/** All that the package exports, by name. */
import * as top from 'espalier'
import * as analysis from 'espalier/analysis'
import * as torch from 'espalier/torch'

export const espalier = { ...analysis, ...torch, ...top }
