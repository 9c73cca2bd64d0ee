// Node's report on stderr of an exception that nothing caught: what there is without an agent.

export interface Trace {
  /** `TypeError: x is not a function` */
  message: string;
  stack: string;
}

/** The report that these lines end with; undefined if they end otherwise. */
export function traceIn(lines: readonly string[]): Trace | undefined {
  const end = lines.findLastIndex((line) => /^Node\.js v\d+\.\d+/.test(line));
  // What another thread or an `exit` listener writes may follow.
  if (end < 0 || lines.length - end > 3) return undefined;
  const from = lines.findLastIndex((line, at) => at < end && isFirst(line, lines[at + 1]));
  if (from < 0) return undefined;
  const stack = lines.slice(from, end);
  return { message: stack[0] ?? '', stack: stack.join('\n') };
}

/** `Error: no` before its `    at …`, or `Uncaught:` before a thrown value. */
function isFirst(line: string, next = ''): boolean {
  return /^\s+at /.test(next) && !/^\s+at /.test(line);
}
