// The places in a profile, and whose code they are: the app's own, a library's, Node's, or native.
import type { Place } from '../contract/actions/place.ts';
import { AGENT_URL } from '../contract/names.ts';
import { pathOf } from '../shared/sourceMaps.ts';

/** V8's own description of a function in a profile; lines and columns count from 0. */
export interface CallFrame {
  functionName: string;
  scriptId: string;
  url: string;
  lineNumber: number;
  columnNumber: number;
}

/** Whose code is it? */
export type Owner = 'app' | 'library' | 'node' | 'native';

/** Where code runs. */
export type RunningPlace = Pick<Place, 'function' | 'file' | 'line'>;

/** Tells whose code a function is; ours counts as Node's. */
export function ownerOf(frame: CallFrame): Owner {
  const { url } = frame;
  if (url === '') return 'native';
  if (url.startsWith('node:') || isOurs(frame)) return 'node';
  return /[\\/]node_modules[\\/]/.test(url) ? 'library' : 'app';
}

/** Our own file, if the app loaded one. An app's bundle that holds our code has another name, and is the app's. */
const OWN_FILE =
  typeof __filename === 'string' && /[\\/](?:agent-preload|maintenance)\.[cm]js$/.test(__filename)
    ? __filename
    : undefined;

/** Our own script: injected, or loaded by the app. */
export function isOurs({ url }: CallFrame): boolean {
  return url === AGENT_URL || (OWN_FILE !== undefined && pathOf(url) === OWN_FILE);
}

/** Code from a string, such as `new Function` makes. In V8's heap profiles the injected agent looks the same. */
export function isEvaluated({ url, scriptId }: CallFrame): boolean {
  return url === '' && scriptId !== '0';
}

/** The place of a frame as it runs, with no source map applied. */
export function placeOf(frame: CallFrame): RunningPlace {
  const { functionName, url, lineNumber } = frame;
  return {
    function: functionName || '(anonymous)',
    file: url === '' ? '(native)' : pathOf(url),
    line: url === '' ? 0 : lineNumber + 1,
  };
}

/** `handler (/srv/app/server.js:12)` */
export function describe({ function: name, file, line }: RunningPlace): string {
  return line > 0 ? `${name} (${file}:${line})` : `${name} ${file}`;
}

/** A key of the function, the same for all of its callers. */
export function keyOf({ functionName, url, lineNumber, columnNumber }: CallFrame): string {
  return `${functionName}\n${url}\n${lineNumber}\n${columnNumber}`;
}
