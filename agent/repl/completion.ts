// Finds the names that Tab offers, without running code of the app: it calls no getter and no proxy.

import type { Runtime } from 'node:inspector';
import { types } from 'node:util';
import { type Inspection, OBJECT_GROUP } from './inspection.ts';

const MOST_NAMES = 2_000;
const LOOK_UP_MS = 200;
/** `object.part` at the end of a line. */
const MEMBER = /([A-Za-z_$][\w$]*(?:\??\.[A-Za-z_$][\w$]*|\[(?:\d+|'[^'\\]*'|"[^"\\]*")\])*)\??\.([\w$]*)$/;

/** The names that can complete `line`, and the part of a name at its end. */
export function complete(
  line: string,
  context: Record<string, unknown>,
  inspection: Inspection,
): { names: string[]; of: string } {
  const [, path, part = ''] = MEMBER.exec(line) ?? [];
  const of = path === undefined ? (/[A-Za-z_$][\w$]*$/.exec(line)?.[0] ?? '') : part;
  let names: string[] = [];
  try {
    if (path !== undefined) names = namesOf(lookUp(path, context, inspection));
    else if (!/\.[\w$]*$/.test(line)) names = globalNames(context, inspection);
  } catch {
    // Nothing to offer.
  }
  const fitting = [...new Set(names)].filter((name) => name.startsWith(of)).sort();
  return { names: fitting.slice(0, MOST_NAMES), of };
}

/** The value of `a.b['c'][0]`; undefined if finding it would call a getter of the app. */
function lookUp(path: string, context: Record<string, unknown>, inspection: Inspection): unknown {
  const [root = '', ...keys] = path.match(/[A-Za-z_$][\w$]*|\d+|'[^']*'|"[^"]*"/g) ?? [];
  let value: unknown = Object.hasOwn(context, root) ? context[root] : lookUpRoot(root, inspection);
  for (const key of keys) value = dataOf(value, key.replace(/^['"]|['"]$/g, ''));
  return value;
}

/** A name that typed code has declared, or that every global has. */
function lookUpRoot(expression: string, { contextId, post, take, release }: Inspection): unknown {
  const looked = post<Runtime.EvaluateReturnType>('Runtime.evaluate', {
    expression,
    contextId,
    throwOnSideEffect: true,
    silent: true,
    timeout: LOOK_UP_MS,
    objectGroup: OBJECT_GROUP,
  });
  const found = looked && !looked.error && !looked.answer.exceptionDetails;
  const value = found ? take(looked.answer.result) : undefined;
  release();
  return value;
}

function globalNames(context: Record<string, unknown>, inspection: Inspection): string[] {
  const lexical = inspection.post<Runtime.GlobalLexicalScopeNamesReturnType>('Runtime.globalLexicalScopeNames', {
    executionContextId: inspection.contextId,
  });
  return [
    ...Object.getOwnPropertyNames(context),
    ...(lexical?.answer?.names ?? []),
    ...namesOf(lookUpRoot('globalThis', inspection)),
  ];
}

/** The names of all properties, inherited ones included, that can follow a dot. */
function namesOf(value: unknown): string[] {
  const names: string[] = [];
  if (value === undefined || value === null) return names;
  for (let each: unknown = Object(value); each && !types.isProxy(each); each = Object.getPrototypeOf(each)) {
    names.push(...Object.getOwnPropertyNames(each).filter((name) => /^[A-Za-z_$][\w$]*$/.test(name)));
    if (names.length > MOST_NAMES) break;
  }
  return names;
}

/** A property's value; undefined if it has a getter. */
function dataOf(value: unknown, key: string): unknown {
  if (value === undefined || value === null) return undefined;
  for (let each: unknown = Object(value); each && !types.isProxy(each); each = Object.getPrototypeOf(each)) {
    const property = Object.getOwnPropertyDescriptor(each, key);
    if (property) return property.value;
  }
  return undefined;
}
