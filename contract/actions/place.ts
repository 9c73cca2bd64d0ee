// A place in a profile, as replies name it.

/** A place in the source if there is a source map, else in the code that runs. */
export interface Place {
  function: string;
  /** A path, `node:…`, or `(native)`. */
  file: string;
  /** The line, from 1, where the function begins, because V8 keeps no more. 0 without a file. */
  line: number;
  /** The heaviest line of the function. */
  hotLine?: number;
  /** The caller of a function that has no file. */
  from?: string;
  /** `file:line` of the compiled code, if a source map was applied. */
  compiled?: string;
}
