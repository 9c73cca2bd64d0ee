// The script that the module loads into apps, and its file, from which an app can read it itself.

import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';

/** Identifies the file that the module has read: after an upgrade, or in a container, its path may lead to another file. */
export interface ScriptFile {
  path: string;
  dev: number;
  ino: number;
  bytes: number;
  mtimeMs: number;
}

export interface Script {
  /**
   * The text of a self-contained CommonJS script that exports `install(argument)`. It runs in a realm of its own, where `globalThis`
   * is the app's, and `run(code, filename)` evaluates more code in that realm.
   */
  source: string;
  /** The file from which the app can read the script; each byte is a character. */
  file?: ScriptFile;
}

/**
 * Reads a script from its file.
 * @throws what `open` and `read` throw
 */
export function readScript(path: string): Script {
  const fd = openSync(path, 'r');
  try {
    const source = readFileSync(fd, 'utf8');
    const { dev, ino, size: bytes, mtimeMs } = fstatSync(fd);
    return source.length === bytes ? { source, file: { path, dev, ino, bytes, mtimeMs } } : { source };
  } finally {
    closeSync(fd);
  }
}
