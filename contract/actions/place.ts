// A place in a profile, as replies name it.

/** Of the sources where there is a source map, else where it runs. */
export interface Place {
  function: string;
  /** A path, `node:…`, or `(native)`. */
  file: string;
  /** From 1; where the function begins, since V8 keeps no more. 0 where there is no file. */
  line: number;
  /** The heaviest line of the function. */
  hotLine?: number;
  /** The caller of a function that has no file. */
  from?: string;
  /** `file:line` of the compiled code, where a source map was applied. */
  compiled?: string;
}
