// The name of an app as a part of a file's name: readable, and different for every app.
import { createHash } from 'node:crypto';

/** The longest readable part of a name; a file's name has 255 bytes. */
const KEPT_BYTES = 80;

/**
 * The name itself where a file can bear it. Otherwise the readable part of it, `~`, and a hash of the whole name: that
 * tells `my app` from `my_app`, and the apps of one name in two namespaces. No unchanged name holds a `~`.
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

/** Cuts between characters, not within one. */
function cut(text: string): string {
  let kept = '';
  for (const character of text) {
    if (Buffer.byteLength(kept + character) > KEPT_BYTES) break;
    kept += character;
  }
  return kept;
}
