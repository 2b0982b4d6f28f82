/** An operator was used in a form that its rule was not written for: what it touches is fixed. */
export class UnsupportedForm extends Error {}
