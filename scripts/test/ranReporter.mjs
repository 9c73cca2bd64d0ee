// Tells the runner which tests a file had and which of them never ended; Node's exit code says neither. JavaScript, as Node
// loads reporters before tsx.

/** A reporter of Node's test runner: yields a `Ran` of runFile.ts as JSON. */
export default async function* ranReporter(source) {
  /** Node reports the file itself as a test, first, and passes it if it has none. */
  let nameOfFile;
  const open = new Map();
  let tests = 0;
  for await (const { type, data } of source) {
    if (type !== 'test:enqueue' && type !== 'test:pass' && type !== 'test:fail') continue;
    nameOfFile ??= data.name;
    if (data.name === nameOfFile && data.nesting === 0) continue;
    open.set(data.name, (open.get(data.name) ?? 0) + (type === 'test:enqueue' ? 1 : -1));
    if (type !== 'test:enqueue' && data.details?.type !== 'suite') tests += 1;
  }
  yield JSON.stringify({ tests, unended: [...open].filter(([, left]) => left > 0).map(([name]) => name) });
}
