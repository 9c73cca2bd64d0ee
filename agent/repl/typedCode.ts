// Rewrites a typed line before V8 evaluates it.

import { Script } from 'node:vm';
import { IMPORT } from './scope.ts';

/** The prefix of the script names of typed code, by which its frames are recognised. */
export const TYPED = 'pm2-ops-repl-';

/**
 * Makes the source that V8 evaluates. Text that looks like an object is one, as in Node's REPL; `import()` becomes ours; code
 * with an `await` becomes an async function, whose declarations become globals of typed code. V8's own way (`replMode`) calls
 * into JavaScript in the middle of a garbage collection once the promise is collected, which ends Node 24 (tried).
 */
export function prepare(code: string): { source: string; isAwaited: boolean } {
  const source = code.replace(/(?<![\w$.])import(?=\s*\()/g, IMPORT);
  if (/^\s*\{[\s\S]*\}\s*$/.test(source) && compiles(`(${source})`)) return { source: `(${source})`, isAwaited: false };
  if (!/\bawait\b/.test(source) || compiles(source)) return { source, isAwaited: false };
  const declared = source
    .replace(/^(?:const|let|var)\s+(?=[A-Za-z_$][\w$]*\s*=)/gm, '')
    .replace(/^(?:const|let|var)\s*(\{[^{}=]*\}|\[[^[\]=]*\])\s*=\s*(.*?);?$/gm, '($1 = $2);');
  const lines = declared.trimEnd().split('\n');
  const last = lines.pop() ?? '';
  // A declaration has no value.
  const declaresLast = /^(?:const|let|var)\b/.test(source.trimEnd().split('\n').at(-1) ?? '');
  const tries = [
    `(async () => (${source}\n))()`,
    ...(declaresLast ? [] : [`(async () => {${[...lines, `return (${last.replace(/;\s*$/, '')}\n)`].join('\n')}})()`]),
    `(async () => {${declared}\n})()`,
  ];
  const fitting = tries.find(compiles);
  return fitting === undefined ? { source, isAwaited: false } : { source: fitting, isAwaited: true };
}

function compiles(source: string): boolean {
  try {
    new Script(source);
    return true;
  } catch {
    return false;
  }
}
