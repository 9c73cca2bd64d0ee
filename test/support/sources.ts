// Source files, their compiled form, and the line of a text in a file.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { transform } from 'esbuild';

/** @returns the JavaScript (CommonJS) of a TypeScript file, and its source map as JSON */
export function compiled(source: string): Promise<{ code: string; map: string }> {
  return transform(readFileSync(source, 'utf8'), {
    loader: 'ts',
    format: 'cjs',
    sourcemap: 'external',
    sourcefile: source,
  });
}

/** The line, from 1, of the first place in a file where this text stands. */
export function lineOf(file: string, text: string): number {
  const at = readFileSync(file, 'utf8')
    .split('\n')
    .findIndex((line) => line.includes(text));
  assert.ok(at >= 0, `${text} in ${file}`);
  return at + 1;
}
