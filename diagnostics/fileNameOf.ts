// What an app is called in the names of its files: readable, and no other app is called the same.
import { createHash } from 'node:crypto';

/** The longest part of a name that is kept, in bytes; a file's name has 255. */
const KEPT_BYTES = 80;

/**
 * The name itself where it can be one of a file. Else what is readable of it and, behind a `~`, which no unchanged name holds, a
 * hash of all of it: `my app` and `my_app` are told apart, and so are the apps of one name in two namespaces.
 */
export function fileNameOf(app: string, namespace = 'default'): string {
  const isDefault = namespace === 'default' || namespace === '';
  const whole = isDefault ? app : `${namespace}.${app}`;
  const readable = cut(whole.replace(/[^\p{L}\p{M}\p{N}_.-]/gu, '_').replace(/^[.-]/, '_'));
  if (isDefault && readable === app) return app;
  const hash = createHash('sha256')
    .update(`${isDefault ? 'default' : namespace}\0${app}`)
    .digest('hex')
    .slice(0, 8);
  return `${readable}~${hash}`;
}

/** Whole characters only. */
function cut(text: string): string {
  let kept = '';
  for (const character of text) {
    if (Buffer.byteLength(kept + character) > KEPT_BYTES) break;
    kept += character;
  }
  return kept;
}
